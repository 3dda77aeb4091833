/** The server's clock, as well as it can be known here, and how well that is. */
import { thisHost } from "./host.js";
import { OffsetEstimator, SAMPLES } from "./offset_estimator.js";
import { SlewedOffset } from "./slewed_offset.js";
/** The wall clock against the monotonic one: a larger jump means that the machine slept, or that its clock was set. */
const JUMP_MS = 200;
/** A sample that takes longer is given up. */
const PATIENCE_MS = 5_000;
/**
 * A clock that shows the server's time.
 *
 * It never runs back, and corrects itself by running a little fast or slow. It takes new samples at an interval, and
 * eight at once when a tab becomes visible again, after sleep, and when its timer was held up.
 */
export class ServerClock {
    #sync;
    #host;
    #intervalMs;
    #estimator = new OffsetEstimator();
    #shown = new SlewedOffset();
    #stopped = new AbortController();
    #wallAheadMs;
    /** By how much a jump may have made the estimate wrong. */
    #suspectMs = 0;
    #burst;
    #cancelTimer = () => { };
    constructor(sync, options) {
        this.#sync = sync;
        this.#host = options.host ?? thisHost;
        this.#intervalMs = options.intervalMs ?? 10_000;
        this.#wallAheadMs = this.#host.wallMs() - this.#host.monotonicMs();
        const stopWaking = this.#host.onWake(() => this.#wake());
        this.#stopped.signal.addEventListener("abort", stopWaking);
        options.signal?.addEventListener("abort", () => this.close(), { signal: this.#stopped.signal });
    }
    /**
     * Start a clock, and wait for its first eight samples.
     *
     * @throws what the last of them failed with, if all did.
     */
    static async start(sync, options = {}) {
        options.signal?.throwIfAborted();
        const clock = new ServerClock(sync, options);
        try {
            await clock.resynchronise();
        }
        catch (error) {
            clock.close();
            throw error;
        }
        clock.#schedule();
        return clock;
    }
    /** The server's time, in ms since 1970. Never less than before. */
    now() {
        return this.#read().nowMs;
    }
    /** How far `now()` may be from the server's time, in ms. */
    uncertaintyMs() {
        return this.#read().uncertaintyMs;
    }
    /** The server's time and how far it may be off, as of one instant; in ms. */
    read() {
        return this.#read();
    }
    /** Take eight samples at once. Rejects if none could be taken. */
    resynchronise() {
        this.#burst ??= this.#sample(SAMPLES).finally(() => {
            this.#burst = undefined;
        });
        return this.#burst;
    }
    /** Stop taking samples. The clock goes on, less and less certain. */
    close() {
        this.#cancelTimer();
        this.#stopped.abort();
    }
    #read() {
        const monotonicMs = this.#host.monotonicMs();
        this.#watchForJumps(monotonicMs);
        const estimate = this.#estimator.at(monotonicMs);
        if (estimate === undefined) {
            throw new Error("the clock has no sample yet");
        }
        const offsetMs = this.#shown.toward(estimate.offsetMs, monotonicMs);
        const behindMs = Math.abs(estimate.offsetMs - offsetMs);
        return { nowMs: monotonicMs + offsetMs, uncertaintyMs: estimate.uncertaintyMs + behindMs + this.#suspectMs };
    }
    #watchForJumps(monotonicMs) {
        const wallAheadMs = this.#host.wallMs() - monotonicMs;
        const jumpMs = Math.abs(wallAheadMs - this.#wallAheadMs);
        this.#wallAheadMs = wallAheadMs;
        if (jumpMs > JUMP_MS) {
            this.#suspectMs += jumpMs;
            this.#wake();
        }
    }
    /** Take samples; what fails is tried again at the next interval, and the clock says how uncertain it has become. */
    #wake() {
        if (!this.#stopped.signal.aborted) {
            this.resynchronise().catch(() => { });
        }
    }
    #schedule() {
        if (this.#stopped.signal.aborted) {
            return;
        }
        const dueMs = this.#host.monotonicMs() + this.#intervalMs;
        this.#cancelTimer = this.#host.after(this.#intervalMs, () => {
            const nowMs = this.#host.monotonicMs();
            this.#watchForJumps(nowMs);
            const wasHeldUp = nowMs > dueMs + this.#intervalMs;
            const taken = wasHeldUp || this.#burst !== undefined ? this.resynchronise() : this.#sample(1);
            taken.catch(() => { }).finally(() => this.#schedule());
        });
    }
    async #sample(count) {
        let taken = 0;
        let failure;
        for (let number = 0; number < count && !this.#stopped.signal.aborted; number++) {
            try {
                await this.#sampleOnce();
                taken++;
            }
            catch (error) {
                failure = error;
            }
        }
        if (taken === 0) {
            throw failure ?? this.#stopped.signal.reason;
        }
    }
    async #sampleOnce() {
        const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(PATIENCE_MS)]);
        const suspectMs = this.#suspectMs;
        const sentMs = this.#host.monotonicMs();
        const { receiveMs, transmitMs, errorMs } = await this.#sync(signal);
        const receivedMs = this.#host.monotonicMs();
        this.#watchForJumps(receivedMs);
        if (this.#suspectMs !== suspectMs) {
            throw new Error("the machine slept, or its clock was set, while a sample was taken");
        }
        if (suspectMs > 0) {
            this.#estimator.forget();
            this.#suspectMs = 0;
        }
        this.#estimator.add({
            sentMs,
            serverReceiveMs: receiveMs,
            serverTransmitMs: transmitMs,
            receivedMs,
            serverErrorMs: errorMs,
        });
    }
}
