/** Streams that outlive servers: resumed by token, silent about drains, with a gap only where history was lost. */

import { errorOfCall } from "./failures.js";
import type { End, Gap } from "./gen/synckairos/v1/event_pb.js";
import { EndReason } from "./gen/synckairos/v1/event_pb.js";
import { DEADLINE_MS, passes, pause, pauseAfter } from "./retrying.js";

/** What the messages of both kinds of watch streams have in common. */
export interface Frame {
  readonly sessionId: string;
  readonly resumeToken: string;
  readonly payload: { readonly case: string | undefined; readonly value?: unknown };
}

export interface WatchOptions {
  /** Distance of the ticks in ms, 100 to 60 000; default: none. */
  readonly tickIntervalMs?: number | undefined;
  /** Distance of `progress` messages in ms, 100 to 3 600 000; default: none are shown. */
  readonly progressIntervalMs?: number | undefined;
  /** Ends the stream when aborted; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A session, and where its stream goes on. */
export interface Position {
  readonly sessionId: string;
  /** The resume token of the last message seen; empty for the beginning. */
  readonly resumeToken: string;
}

/** Opens one stream that asks for progress at this interval, until the signal is aborted. */
export type Open<One extends Frame> = (
  positions: readonly Position[],
  progressIntervalMs: number,
  signal: AbortSignal,
) => AsyncIterable<One>;

/** A stream asks for progress so often by itself: it tells a quiet session from a connection that is dead. */
const HEARTBEAT_MS = 15_000;
/** So many heartbeats that fail to come are a dead connection. */
const MISSED_HEARTBEATS = 3;
const COMES_BACK: ReadonlySet<EndReason> = new Set([
  EndReason.DRAINING,
  EndReason.UNAVAILABLE,
  EndReason.CREDENTIALS_EXPIRED,
]);

/** Yield what happens to sessions until all have ended, whatever becomes of servers and connections meanwhile. */
export async function* follow<One extends Frame>(
  positions: readonly Position[],
  open: Open<One>,
  options: WatchOptions,
): AsyncGenerator<One, void, undefined> {
  const sessions = new Positions(positions, options.progressIntervalMs !== undefined);
  const { signal } = options;
  let failures = 0;
  let patienceEndsMs: number | undefined = performance.now() + DEADLINE_MS;
  while (sessions.remain) {
    signal?.throwIfAborted();
    const attempt = new Attempt(options, sessions);
    let pauseMs = 0;
    try {
      for await (const frame of attempt.frames(open)) {
        failures = 0;
        patienceEndsMs = undefined;
        if (sessions.take(frame)) {
          yield frame;
        }
        attempt.returnInTime();
      }
      pauseMs = sessions.comeBackInMs ?? pauseAfter(undefined, failures++);
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = errorOfCall(thrown);
      const isPatient = patienceEndsMs === undefined || performance.now() < patienceEndsMs;
      if (!attempt.wasCutOffHere && !(passes(error) && isPatient)) {
        throw error;
      }
      pauseMs = sessions.comeBackInMs ?? pauseAfter(error, failures++);
    } finally {
      attempt.stop();
    }
    if (sessions.remain) {
      await pause(pauseMs, signal);
    }
  }
}

/** Where the streams of sessions stand, and which of their messages are shown. */
class Positions {
  readonly #tokens: Map<string, string>;
  readonly #inGap = new Map<string, number>();
  #comeBackAtMs: number | undefined;

  constructor(
    positions: readonly Position[],
    private readonly showsProgress: boolean,
  ) {
    this.#tokens = new Map(positions.map((one) => [one.sessionId.toLowerCase(), one.resumeToken]));
  }

  /** Whether any session has not ended. */
  get remain(): boolean {
    return this.#tokens.size > 0;
  }

  get all(): Position[] {
    return [...this.#tokens].map(([sessionId, resumeToken]) => ({ sessionId, resumeToken }));
  }

  /** In how many ms the server has asked to be asked again; undefined if it has not. */
  get comeBackInMs(): number | undefined {
    return this.#comeBackAtMs && Math.max(0, this.#comeBackAtMs - performance.now());
  }

  /** Begin another stream. */
  begin(): void {
    this.#comeBackAtMs = undefined;
  }

  /** Note a message; return whether to show it. */
  take(frame: Frame): boolean {
    const { sessionId, resumeToken, payload } = frame;
    if (resumeToken !== "") {
      this.#tokens.set(sessionId, resumeToken);
    }
    switch (payload.case) {
      case "end":
        return this.#end(sessionId, payload.value as End);
      case "gap":
        return this.#gap(sessionId, (payload.value as Gap).reason);
      case "snapshot":
        this.#inGap.delete(sessionId);
        return true;
      case "progress":
        return this.showsProgress;
      default:
        return true;
    }
  }

  #end(sessionId: string, end: End): boolean {
    if (COMES_BACK.has(end.reason)) {
      // Not all at once: the servers that are left get every stream of this one.
      const afterMs = end.retryAfterMs === 0n ? 100 : Number(end.retryAfterMs);
      this.#comeBackAtMs ??= performance.now() + afterMs * (1 + Math.random() / 2);
      return false;
    }
    this.#tokens.delete(sessionId);
    return true;
  }

  /** Who has seen nothing has lost nothing; a stream that broke between a gap and its snapshot tells of it again. */
  #gap(sessionId: string, reason: number): boolean {
    if (this.#tokens.get(sessionId) === "" || this.#inGap.get(sessionId) === reason) {
      return false;
    }
    this.#inGap.set(sessionId, reason);
    return true;
  }
}

/** One stream, with the two reasons for which it is cut off from here: silence, and a session to be watched again. */
class Attempt {
  wasCutOffHere = false;
  readonly #controller = new AbortController();
  readonly #progressMs: number;
  #return: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly options: WatchOptions,
    private readonly sessions: Positions,
  ) {
    this.#progressMs = options.progressIntervalMs ?? HEARTBEAT_MS;
    options.signal?.addEventListener("abort", this.#abort);
  }

  async *frames<One extends Frame>(open: Open<One>): AsyncGenerator<One, void, undefined> {
    this.sessions.begin();
    const longestSilenceMs = MISSED_HEARTBEATS * Math.max(HEARTBEAT_MS, this.#progressMs);
    const stream = open(this.sessions.all, this.#progressMs, this.#controller.signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const silence = setTimeout(() => this.#cutOff(), longestSilenceMs);
        const next = await stream.next().finally(() => clearTimeout(silence));
        if (next.done) {
          return;
        }
        yield next.value;
      }
    } finally {
      // Not awaited: it would wait for the next message, or for ever.
      void stream.return?.().catch(() => {});
    }
  }

  /** See to it that a session which is ended for now is watched again, though others keep the stream open. */
  returnInTime(): void {
    const { comeBackInMs } = this.sessions;
    if (comeBackInMs !== undefined) {
      this.#return ??= setTimeout(() => this.#cutOff(), comeBackInMs);
    }
  }

  stop(): void {
    clearTimeout(this.#return);
    this.options.signal?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }

  #cutOff(): void {
    this.wasCutOffHere = true;
    this.#controller.abort();
  }

  readonly #abort = (): void => this.#controller.abort();
}
