/** How far the server's clock is ahead of this machine's monotonic clock, by the samples of SyncTime; all in ms. */
/** So many samples compete; the one that leaves least open is believed. */
export const SAMPLES = 8;
/** The most two clocks are taken to drift apart, in ms for each ms: a few times what quartz does. */
export const MAX_DRIFT = 100e-6;
/** What clocks round away here (browsers: to 0.1 ms). */
export const ROUNDING_MS = 0.1;
/** What a server that does not say is taken to be wrong by: one of an earlier version, on a calm machine. */
export const SERVER_ERROR_MS = 0.5;
/**
 * Chooses among the best samples: a good one stays until its age has made it worse than newer ones.
 *
 * The answer to a sample may have taken all of its round trip on one way: half of it is how wrong the offset may be. What
 * the server's own estimate may be wrong by comes on top, and drift adds to that with the age of the sample.
 */
export class OffsetEstimator {
    #measured = [];
    /** Take a sample. Earlier ones that contradict it are forgotten: a clock has been stepped since. */
    add(sample) {
        const { sentMs, serverReceiveMs, serverTransmitMs, receivedMs } = sample;
        const statedMs = sample.serverErrorMs ?? 0;
        const roundTripMs = receivedMs - sentMs - (serverTransmitMs - serverReceiveMs);
        if (!(roundTripMs >= 0 && serverTransmitMs >= serverReceiveMs)) {
            return;
        }
        const taken = {
            offsetMs: (serverReceiveMs - sentMs + (serverTransmitMs - receivedMs)) / 2,
            uncertaintyMs: roundTripMs / 2 + ROUNDING_MS + (statedMs > 0 ? statedMs : SERVER_ERROR_MS),
            takenMs: receivedMs,
        };
        const agreeing = this.#measured.map((one) => aged(one, receivedMs)).filter((one) => agrees(one, taken));
        this.#measured = [...agreeing, taken]
            .sort((one, other) => one.uncertaintyMs - other.uncertaintyMs)
            .slice(0, SAMPLES);
    }
    /** Forget everything: nothing known holds any longer. */
    forget() {
        this.#measured = [];
    }
    /** Return the offset at an instant of the monotonic clock; undefined without any sample. */
    at(monotonicMs) {
        let best;
        for (const one of this.#measured) {
            const now = aged(one, monotonicMs);
            if (best === undefined || now.uncertaintyMs < best.uncertaintyMs) {
                best = now;
            }
        }
        return best;
    }
}
function aged(one, monotonicMs) {
    const driftMs = Math.max(0, monotonicMs - one.takenMs) * MAX_DRIFT;
    return {
        offsetMs: one.offsetMs,
        uncertaintyMs: one.uncertaintyMs + driftMs,
        takenMs: Math.max(one.takenMs, monotonicMs),
    };
}
function agrees(one, other) {
    return Math.abs(one.offsetMs - other.offsetMs) <= one.uncertaintyMs + other.uncertaintyMs;
}
