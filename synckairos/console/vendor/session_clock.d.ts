/**
 * What every clock of a session shows at an instant of the server's clock, computed from one message alone.
 *
 * Up to what falls due next this is what the server itself would answer, to the millisecond. What only a newer version
 * of the session can tell is not guessed: from that instant on (`isDue`) the clocks stand as they did then.
 */
import type { ClockParts, PhaseKind, SessionFacts } from "./facts.js";
/** One clock at an instant; times in ms. With a time control it has the parts of its family as well. */
export interface ClockView extends ClockParts {
    /** UUID of the participant or group; empty for the clock of the session as a whole. */
    readonly holderId: string;
    readonly isRunning: boolean;
    readonly phase: PhaseKind;
    /** What to draw: the time left, in OVERTIME and of a stopwatch the time run. */
    readonly displayMs: number;
    /** By how much `displayMs` changes for each ms: -1, 0 or 1. */
    readonly rate: number;
    /** The time left before the flag, of all parts together; absent where nothing flags the clock. */
    readonly remainingMs?: number;
    readonly overtimeMs: number;
}
/** All clocks of a session at an instant. */
export interface SessionView {
    /** The instant asked for, in ms since 1970. */
    readonly atMs: number;
    /** Whether something has fallen due by then, so that only a newer version of the session tells how it goes on. */
    readonly isDue: boolean;
    /** As `Session.elapsed_ms`. */
    readonly elapsedMs: number;
    /** In rotation order; without holders the session's own clock alone. */
    readonly holders: readonly ClockView[];
}
/** The clocks of one version of a session. */
export declare class SessionClock {
    #private;
    readonly session: SessionFacts;
    /** When the next version is due, in ms since 1970; Infinity if the clocks go on for ever. */
    readonly dueAtMs: number;
    constructor(session: SessionFacts);
    /**
     * Return what the clocks show.
     *
     * @param instantMs ms since 1970 on the server's clock, of which the whole ones count, as they do there. Before the message's own instant the clocks show what they
     *   show then. A session with a manual clock stands at that instant: ask for `session.serverTimeMs`.
     */
    at(instantMs: number): SessionView;
}
