/** What a clock needs of the machine it runs on; tests give it another one. */
export interface Host {
    /** A clock that never steps, in ms; it may stand while the machine sleeps. */
    monotonicMs(): number;
    /** The machine's wall clock, in ms since 1970; only its jumps matter. */
    wallMs(): number;
    /** Call `run` once after so many ms, or later; returns what calls it off. */
    after(ms: number, run: () => void): () => void;
    /** Call `run` whenever somebody may look again after a while; returns what calls it off. */
    onWake(run: () => void): () => void;
}
/** The browser tab or the Node process. */
export declare const thisHost: Host;
