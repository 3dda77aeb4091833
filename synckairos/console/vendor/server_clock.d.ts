/** The server's clock, as well as it can be known here, and how well that is. */
import { type Host } from "./host.js";
/** The server's two instants of one SyncTime call, in ms since 1970. */
export interface SyncedInstants {
    readonly receiveMs: number;
    readonly transmitMs: number;
    /** How wrong they may be, in ms; 0 or absent where the server does not say. */
    readonly errorMs?: number | undefined;
}
/** Calls SyncTime once. Must not retry: a repeated call would look like a slow one. */
export type SyncTime = (signal: AbortSignal) => Promise<SyncedInstants>;
export interface ServerClockOptions {
    /** How often to take a sample, in ms; default 10 000. */
    readonly intervalMs?: number;
    /** Stops the clock's work when aborted. */
    readonly signal?: AbortSignal;
    /** The machine; for tests. */
    readonly host?: Host;
}
/**
 * A clock that shows the server's time.
 *
 * It never runs back, and corrects itself by running a little fast or slow. It takes new samples at an interval, and
 * eight at once when a tab becomes visible again, after sleep, and when its timer was held up.
 */
export declare class ServerClock {
    #private;
    private constructor();
    /**
     * Start a clock, and wait for its first eight samples.
     *
     * @throws what the last of them failed with, if all did.
     */
    static start(sync: SyncTime, options?: ServerClockOptions): Promise<ServerClock>;
    /** The server's time, in ms since 1970. Never less than before. */
    now(): number;
    /** How far `now()` may be from the server's time, in ms. */
    uncertaintyMs(): number;
    /** The server's time and how far it may be off, as of one instant; in ms. */
    read(): {
        readonly nowMs: number;
        readonly uncertaintyMs: number;
    };
    /** Take eight samples at once. Rejects if none could be taken. */
    resynchronise(): Promise<void>;
    /** Stop taking samples. The clock goes on, less and less certain. */
    close(): void;
}
