/** How far the server's clock is ahead of this machine's monotonic clock, by the samples of SyncTime; all in ms. */
/** One exchange: two instants of the monotonic clock here, two of the server's clock between them, and their error. */
export interface TimeSample {
    readonly sentMs: number;
    readonly serverReceiveMs: number;
    readonly serverTransmitMs: number;
    readonly receivedMs: number;
    /** How wrong the server's instants may be, as it says; 0 or absent where it does not. */
    readonly serverErrorMs?: number | undefined;
}
/** An offset to add to the monotonic clock, and how wrong it may be. */
export interface Offset {
    readonly offsetMs: number;
    readonly uncertaintyMs: number;
}
/** So many samples compete; the one that leaves least open is believed. */
export declare const SAMPLES = 8;
/** The most two clocks are taken to drift apart, in ms for each ms: a few times what quartz does. */
export declare const MAX_DRIFT = 0.0001;
/** What clocks round away here (browsers: to 0.1 ms). */
export declare const ROUNDING_MS = 0.1;
/** What a server that does not say is taken to be wrong by: one of an earlier version, on a calm machine. */
export declare const SERVER_ERROR_MS = 0.5;
/**
 * Chooses among the best samples: a good one stays until its age has made it worse than newer ones.
 *
 * The answer to a sample may have taken all of its round trip on one way: half of it is how wrong the offset may be. What
 * the server's own estimate may be wrong by comes on top, and drift adds to that with the age of the sample.
 */
export declare class OffsetEstimator {
    #private;
    /** Take a sample. Earlier ones that contradict it are forgotten: a clock has been stepped since. */
    add(sample: TimeSample): void;
    /** Forget everything: nothing known holds any longer. */
    forget(): void;
    /** Return the offset at an instant of the monotonic clock; undefined without any sample. */
    at(monotonicMs: number): Offset | undefined;
}
