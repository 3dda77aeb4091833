/** Painting clocks once a frame. */
import type { SessionClock, SessionView } from "./session_clock.js";
/** Whatever shows the server's time: a `ServerClock`. */
export interface TimeSource {
    /** ms since 1970. */
    now(): number;
}
/** Return what the clocks of a session show now; one with a manual clock stands between calls. */
export declare function viewNow(clock: SessionClock, time: TimeSource): SessionView;
/**
 * Draw a session's clocks in every frame that the browser paints; it paints none in a hidden tab.
 *
 * @param clock returns the latest version's clocks; undefined while there is none.
 * @param time the server's time.
 * @param draw is called with what they show.
 * @param signal ends it.
 */
export declare function paintClocks(clock: () => SessionClock | undefined, time: TimeSource, draw: (view: SessionView, clock: SessionClock) => void, signal: AbortSignal): void;
