/** What a clock needs of the machine it runs on; tests give it another one. */
/** The browser tab or the Node process. */
export const thisHost = {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    after(ms, run) {
        const timer = setTimeout(run, ms);
        // In Node a clock alone must not keep the process alive.
        timer.unref?.();
        return () => clearTimeout(timer);
    },
    onWake(run) {
        if (typeof document === "undefined") {
            return () => { };
        }
        const look = () => {
            if (document.visibilityState === "visible") {
                run();
            }
        };
        document.addEventListener("visibilitychange", look);
        return () => document.removeEventListener("visibilitychange", look);
    },
};
