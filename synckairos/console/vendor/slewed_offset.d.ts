/** An offset that never jumps while a clock is read: it approaches its target, and a clock shown by it never runs back. */
/** The most a shown clock runs fast or slow while it approaches, in ms for each ms. */
export declare const SLEW_RATE = 0.05;
/** What is further ahead is reached at once; what is further behind is waited for, with the clock standing. */
export declare const STEP_MS = 250;
export declare class SlewedOffset {
    #private;
    /**
     * Return the offset to show.
     *
     * @param targetMs the best estimate.
     * @param monotonicMs the present instant of the monotonic clock; never less than in the call before.
     */
    toward(targetMs: number, monotonicMs: number): number;
}
