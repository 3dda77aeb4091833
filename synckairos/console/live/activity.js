// @ts-check
// What happens in the sessions that are watched: switches a second, and how late deadlines were acted on.
import { latenessMs } from "../components/event_words.js";
import { feed } from "./page_services.js";

const RATE_SECONDS = 10;
const LATENESS_MS = 60_000;

/** Counts events of sessions while they are watched. */
export class Activity {
  /** @type {Map<string, () => void>} */
  #watches = new Map();
  /** @type {number[]} instants of switches, by performance.now() */
  #switches = [];
  /** @type {{at: number, ms: number}[]} */
  #lateness = [];

  /** Watch these sessions and no others. @param {string[]} ids */
  follow(ids) {
    const wanted = new Set(ids);
    for (const [id, stop] of this.#watches) {
      if (wanted.has(id)) continue;
      stop();
      this.#watches.delete(id);
    }
    for (const id of ids) {
      if (!this.#watches.has(id))
        this.#watches.set(
          id,
          feed.watch(id, (message) => message.event && this.#count(message.event)),
        );
    }
  }

  /** Watch none. */
  stop() {
    this.follow([]);
  }

  /** Switches a second, over the last ten seconds. */
  get switchesPerSecond() {
    const since = performance.now() - RATE_SECONDS * 1000;
    this.#switches = this.#switches.filter((at) => at > since);
    return this.#switches.length / RATE_SECONDS;
  }

  /** How late deadlines of the last minute were acted on, in ms; null if none fell due. @returns {{medianMs: number, mostMs: number, count: number} | null} */
  get lateness() {
    const since = performance.now() - LATENESS_MS;
    this.#lateness = this.#lateness.filter(({ at }) => at > since);
    const sorted = this.#lateness.map(({ ms }) => ms).sort((a, b) => a - b);
    const count = sorted.length;
    return count ? { medianMs: sorted[Math.floor(count / 2)] ?? 0, mostMs: sorted[count - 1] ?? 0, count } : null;
  }

  /** @param {import("../rpc/contract.js").Event} event */
  #count(event) {
    const now = performance.now();
    if (event.type === "EVENT_TYPE_CYCLE_SWITCHED") this.#switches.push(now);
    const late = latenessMs(event);
    if (!Number.isNaN(late)) this.#lateness.push({ at: now, ms: late });
  }
}
