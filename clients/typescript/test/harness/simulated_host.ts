/** A machine whose clocks, timers and network are simulated: nothing waits. */

import type { Host, SyncedInstants } from "../../src/clock/index.js";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Delays of one exchange, in ms. */
export interface Delays {
  readonly thereMs: number;
  readonly backMs: number;
}

export class SimulatedHost implements Host {
  /** The true time that has passed, in ms. */
  passedMs = 0;
  sleptMs = 0;
  wallSetMs = 0;
  samples = 0;
  #timers: Timer[] = [];
  #wakes: (() => void)[] = [];

  constructor(
    /** How much faster the monotonic clock runs than the server's, in ms for each ms. */
    readonly drift: number,
    readonly delays: () => Delays,
  ) {}

  /** The server's clock, in ms since 1970. */
  get serverMs(): number {
    return 1_764_000_000_000 + this.passedMs;
  }

  monotonicMs(): number {
    return 5_000 + (this.passedMs - this.sleptMs) * (1 + this.drift);
  }

  wallMs(): number {
    return 1_763_999_999_000 + this.passedMs + this.wallSetMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { dueMs: this.monotonicMs() + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  onWake(run: () => void): () => void {
    this.#wakes.push(run);
    return () => {
      this.#wakes = this.#wakes.filter((one) => one !== run);
    };
  }

  /** Answer SyncTime after delays, in which time passes. */
  readonly sync = async (): Promise<SyncedInstants> => {
    // Not before whoever asks has gone on.
    await null;
    const { thereMs, backMs } = this.delays();
    this.samples++;
    this.passedMs += thereMs;
    const receiveMs = this.serverMs;
    this.passedMs += 0.3;
    const transmitMs = this.serverMs;
    this.passedMs += backMs;
    return { receiveMs, transmitMs };
  };

  /** Let time pass, then run the timers that are due and let their work be done. */
  async advance(ms: number): Promise<void> {
    this.passedMs += ms;
    const now = this.monotonicMs();
    const due = this.#timers.filter((one) => one.dueMs <= now);
    this.#timers = this.#timers.filter((one) => one.dueMs > now);
    for (const timer of due) {
      timer.run();
    }
    await this.settle();
  }

  /** Sleep: the monotonic clock stands meanwhile. */
  sleep(ms: number): void {
    this.passedMs += ms;
    this.sleptMs += ms;
  }

  /** Show a tab again that was hidden. */
  async show(): Promise<void> {
    for (const wake of this.#wakes) {
      wake();
    }
    await this.settle();
  }

  /** Let all that has been started by now come to its end: simulated work takes no real time. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
