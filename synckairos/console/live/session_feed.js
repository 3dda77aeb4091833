// @ts-check
// All sessions that any part of the page watches, over one WatchSessions stream: a browser has six connections to a
// server, and a stream takes one of them for good.
import { describeError, isAbort } from "../rpc/errors.js";
import { watchSessions } from "../rpc/services.js";
import { number } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("../rpc/contract.js").WatchMessage} WatchMessage */
/** @typedef {(message: WatchMessage) => void} Listener */
/** @typedef {"idle" | "connecting" | "live" | "waiting"} FeedState */

/**
 * @typedef {object} Watched
 * @property {string} id
 * @property {Set<Listener>} listeners
 * @property {string} token where to continue
 * @property {WatchMessage | null} last the last message that carried the whole session
 * @property {boolean} ended nothing more will come
 */

const MOST_SESSIONS = 1000;
const GATHER_MS = 40;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const PROGRESS_MS = 4_000;
const SILENCE_MS = 13_000;

/** Watches sessions for many listeners, and outlives servers. Dispatches `state` when the connection changes. */
export class SessionFeed extends EventTarget {
  /** @type {FeedState} */
  state = "idle";
  /** Why it waits; empty otherwise. */
  problem = "";
  /** When it tries again, by performance.now(). */
  retryAt = 0;
  /** @type {Map<string, Watched>} */
  #watched = new Map();
  /** @type {AbortController | null} */
  #stream = null;
  #failures = 0;
  #heardAt = 0;
  #timer = 0;

  constructor() {
    super();
    setInterval(() => this.#checkSilence(), 1000);
    document.addEventListener("visibilitychange", () => this.#checkSilence());
    addEventListener("online", () => this.reconnect());
  }

  /**
   * Watch a session; the listener first gets what is known already.
   * @param {string} id @param {Listener} listener @returns {() => void} stops it
   */
  watch(id, listener) {
    const watched = this.#watched.get(id) ?? { id, listeners: new Set(), token: "", last: null, ended: false };
    watched.listeners.add(listener);
    if (!this.#watched.has(id)) {
      this.#watched.set(id, watched);
      this.#reopenSoon(GATHER_MS);
    } else if (watched.last) listener(watched.last);
    return () => {
      if (!watched.listeners.delete(listener) || watched.listeners.size) return;
      this.#watched.delete(id);
      this.#reopenSoon(GATHER_MS);
    };
  }

  /** Try at once. */
  reconnect() {
    this.#failures = 0;
    this.#reopenSoon(0);
  }

  /** @param {number} delayMs */
  #reopenSoon(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), delayMs);
  }

  async #open() {
    this.#stream?.abort();
    const wanted = [...this.#watched.values()].filter((one) => !one.ended).slice(0, MOST_SESSIONS);
    const asked = new Set(wanted);
    if (!wanted.length) return this.#become("idle");
    const stream = new AbortController();
    this.#stream = stream;
    this.#heardAt = performance.now();
    if (this.state !== "live") this.#become("connecting");
    const watches = wanted.map(({ id, token }) => ({ sessionId: id, resumeToken: token }));
    try {
      for await (const message of watchSessions({ watches, progressIntervalMs: PROGRESS_MS }, stream.signal)) {
        if (stream.signal.aborted) return;
        this.#heardAt = performance.now();
        this.#failures = 0;
        this.#become("live");
        this.#take(message, asked);
      }
      if (!stream.signal.aborted) this.#afterEnd();
    } catch (error) {
      if (!stream.signal.aborted && !isAbort(error)) this.#wait(describeError(error));
    }
  }

  /** The stream ended well: everything has ended, or something asked to come back. */
  #afterEnd() {
    if ([...this.#watched.values()].some((one) => !one.ended)) this.#wait("the server is stopping");
    else this.#become("idle");
  }

  /** @param {string} problem @param {number} [leastMs] */
  #wait(problem, leastMs = 0) {
    const limit = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
    const delay = Math.max(leastMs, limit * (0.5 + Math.random() / 2));
    this.retryAt = performance.now() + delay;
    this.#become("waiting", problem);
    this.#reopenSoon(delay);
  }

  /**
   * A watch that has begun since the stream was opened waits for its own: the end and the place of this one mean nothing
   * to whoever has not seen the session yet.
   * @param {WatchMessage} message @param {Set<Watched>} asked the watches that the stream was opened for
   */
  #take(message, asked) {
    const watched = this.#watched.get(message.sessionId);
    if (!watched || !asked.has(watched)) return;
    if (message.resumeToken) watched.token = message.resumeToken;
    if (message.snapshot || message.event) watched.last = asSnapshot(message);
    if (message.gap) watched.last = null;
    for (const listener of [...watched.listeners]) listener(message);
    if (!message.end) return;
    const retryMs = number(message.end.retryAfterMs);
    if (message.end.reason === "END_REASON_CREDENTIALS_EXPIRED") this.#wait("the credentials have expired", retryMs);
    else if (retryMs || message.end.reason === "END_REASON_DRAINING") this.#wait("the server is stopping", retryMs);
    else watched.ended = true;
  }

  /** A connection that died without a word looks like a quiet one, but for the progress that is missing. */
  #checkSilence() {
    if (this.state !== "live" || document.visibilityState === "hidden") return;
    if (performance.now() - this.#heardAt > SILENCE_MS) this.#wait("nothing was heard from the server");
  }

  /** @param {FeedState} state @param {string} [problem] */
  #become(state, problem = "") {
    if (this.state === state && this.problem === problem) return;
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("state"));
  }
}

/** What a listener that comes later gets: no event happens twice. @param {WatchMessage} message @returns {WatchMessage} */
function asSnapshot({ event, snapshot, ...rest }) {
  const session = snapshot ?? event?.session;
  return session ? { ...rest, snapshot: session } : rest;
}
