// @ts-check
// The server's clock as this page knows it, from its first answer on.
import { syncTime } from "../rpc/services.js";
import { instantFromJson, ServerClock } from "../vendor/index.js";

const RETRY_MS = 2_000;
const SHOW_MS = 1_000;
const SETTLED_MS = 2_000;
const READ_ATTEMPTS = 10;
const AT_ONCE_MS = 0.5;

/** Measures the server's clock. Dispatches `change` once a second while somebody can see it. */
export class ServerTime extends EventTarget {
  /** @type {ServerClock | null} */
  #clock = null;

  /** Whether anything is known yet. */
  get isKnown() {
    return this.#clock !== null;
  }

  /** The server's time, in ms since 1970; NaN before it is known. */
  now() {
    return this.#clock?.now() ?? NaN;
  }

  /** How far now() may be off, in ms. */
  get uncertaintyMs() {
    return this.#clock?.uncertaintyMs() ?? Infinity;
  }

  /** How far the server's clock is ahead of this machine's, in ms. */
  get offsetMs() {
    return this.now() - Date.now();
  }

  /** The server's time at an instant of this machine's clock. @param {number} localMs ms since 1970 */
  atLocal(localMs) {
    let before = 0;
    let now = NaN;
    // Two clocks are read one after the other: again, if something else ran between.
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      before = performance.now();
      now = this.now();
      if (performance.now() - before < AT_ONCE_MS) break;
    }
    return now + (localMs - (performance.timeOrigin + before));
  }

  /** Begin to measure, and try until it succeeds. */
  async start() {
    try {
      this.#clock = await ServerClock.start(sample);
    } catch {
      setTimeout(() => void this.start(), RETRY_MS);
      return;
    }
    this.#tell();
    // The first samples shared the processor with the page's own beginning: a slow one has delayed them.
    const clock = this.#clock;
    setTimeout(() => clock.resynchronise().catch(() => {}), SETTLED_MS);
    setInterval(() => this.#tell(), SHOW_MS);
  }

  #tell() {
    if (document.visibilityState === "visible") this.dispatchEvent(new Event("change"));
  }
}

/** @param {AbortSignal} signal */
async function sample(signal) {
  const { serverReceiveTime, serverTransmitTime, serverErrorUs = 0 } = await syncTime(signal);
  return {
    receiveMs: instantFromJson(serverReceiveTime),
    transmitMs: instantFromJson(serverTransmitTime),
    errorMs: Number(serverErrorUs) / 1_000,
  };
}
