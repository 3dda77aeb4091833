/** Painting clocks once a frame. */
/** Return what the clocks of a session show now; one with a manual clock stands between calls. */
export function viewNow(clock, time) {
    return clock.at(clock.session.manualClock ? clock.session.serverTimeMs : time.now());
}
/**
 * Draw a session's clocks in every frame that the browser paints; it paints none in a hidden tab.
 *
 * @param clock returns the latest version's clocks; undefined while there is none.
 * @param time the server's time.
 * @param draw is called with what they show.
 * @param signal ends it.
 */
export function paintClocks(clock, time, draw, signal) {
    const frame = () => {
        if (signal.aborted) {
            return;
        }
        const present = clock();
        if (present !== undefined) {
            draw(viewNow(present, time), present);
        }
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}
