/** Calls that are tried again: what, when, and for how long. */

import { Code } from "@connectrpc/connect";
import { Contention, type SyncKairosError, Unreachable } from "./errors.js";
import { errorOfCall } from "./failures.js";

/** How long a call may take with all its attempts, in ms. */
export const DEADLINE_MS = 10_000;
const MOST_ANSWERS = 5;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** How often, and until when, a call is tried. */
export interface Attempts {
  /** For all attempts together, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Whether to try again at all. */
  readonly retries: boolean;
}

/**
 * Make a call, and make it again while that is worth it.
 *
 * A server that cannot be reached is tried until the deadline; one that answers with an error that passes, five times.
 *
 * @param attempt makes the call once, within so many ms.
 * @throws SyncKairosError what the last attempt failed with; the signal's own reason once it is aborted.
 */
export async function withRetries<Reply>(
  attempts: Attempts,
  attempt: (timeoutMs: number) => Promise<Reply>,
): Promise<Reply> {
  const { signal } = attempts;
  const endsMs = performance.now() + attempts.timeoutMs;
  let answers = 0;
  for (let number = 0; ; number++) {
    signal?.throwIfAborted();
    try {
      // gRPC takes whole numbers only.
      return await attempt(Math.max(1, Math.round(endsMs - performance.now())));
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = errorOfCall(thrown);
      answers += error.reason === "" ? 0 : 1;
      const pauseMs = pauseAfter(error, number);
      const hasTime = performance.now() + pauseMs < endsMs;
      if (!attempts.retries || !passes(error) || answers >= MOST_ANSWERS || !hasTime) {
        throw error;
      }
      await pause(pauseMs, signal);
    }
  }
}

/** Whether the same call may succeed later, by what the contract says. */
export function passes(error: SyncKairosError): boolean {
  const isUnavailable = error.code === Code.Unavailable || error instanceof Unreachable;
  return isUnavailable || error instanceof Contention || error.retryAfterMs !== undefined;
}

/** Return how long to wait after so many failures before: as the server asks, else longer and longer, with jitter. */
export function pauseAfter(error: SyncKairosError | undefined, failuresBefore: number): number {
  const longestMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failuresBefore);
  const drawnMs = longestMs * (0.5 + Math.random() / 2);
  return error?.retryAfterMs === undefined ? drawnMs : error.retryAfterMs + Math.random() * FIRST_PAUSE_MS;
}

/** Wait so many ms, or until the signal is aborted; rejects with its reason then. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
