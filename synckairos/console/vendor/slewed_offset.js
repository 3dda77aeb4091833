/** An offset that never jumps while a clock is read: it approaches its target, and a clock shown by it never runs back. */
/** The most a shown clock runs fast or slow while it approaches, in ms for each ms. */
export const SLEW_RATE = 0.05;
/** What is further ahead is reached at once; what is further behind is waited for, with the clock standing. */
export const STEP_MS = 250;
export class SlewedOffset {
    #offsetMs;
    #readMs = 0;
    /**
     * Return the offset to show.
     *
     * @param targetMs the best estimate.
     * @param monotonicMs the present instant of the monotonic clock; never less than in the call before.
     */
    toward(targetMs, monotonicMs) {
        const passedMs = monotonicMs - this.#readMs;
        this.#readMs = monotonicMs;
        this.#offsetMs = this.#offsetMs === undefined ? targetMs : moved(this.#offsetMs, targetMs, passedMs);
        return this.#offsetMs;
    }
}
function moved(fromMs, targetMs, passedMs) {
    const aheadMs = targetMs - fromMs;
    if (aheadMs > STEP_MS) {
        return targetMs;
    }
    const most = (aheadMs < -STEP_MS ? 1 : SLEW_RATE) * passedMs;
    return fromMs + Math.max(-most, Math.min(most, aheadMs));
}
