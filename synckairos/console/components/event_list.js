// @ts-check
// Events, newest first or in the trail's order.
import { h } from "../view/dom.js";
import { dateTime, number, timeOfDay } from "../view/format.js";
import { href } from "../view/router.js";
import { detailsOf, headline, toneOf } from "./event_words.js";

/** @typedef {import("../rpc/contract.js").Event} Event */

const MOST_SHOWN = 300;
// Each holds its session as it was then: a window that stays open for days keeps no more than these.
const MOST_KEPT = 2000;

/** One event as an item of a list. @param {Event} event @param {{withSession?: boolean, withDay?: boolean}} [options] */
export function eventItem(event, { withSession = false, withDay = false } = {}) {
  return h(
    "li",
    { "data-tone": toneOf(event), "data-type": event.type },
    h(
      "span",
      { class: "what" },
      headline(event),
      event.isFork && h("span", { class: "fork" }, " (fork)"),
      withSession &&
        event.sessionId && [
          " ",
          h("a", { href: href(["audit", event.sessionId]), class: "small mono" }, event.sessionId),
        ],
    ),
    h("time", { datetime: event.occurredAt }, withDay ? dateTime(event.occurredAt) : timeOfDay(event.occurredAt)),
    h(
      "div",
      { class: "more" },
      `v${number(event.version)} \u00b7 ${detailsOf(event)}`,
      !!event.changes?.length &&
        h(
          "div",
          { class: "changes" },
          event.changes.map(({ path, old, new: now }) =>
            h(
              "span",
              {},
              `${path}: ${old === undefined ? "\u2205" : JSON.stringify(old)} \u2192 ${now === undefined ? "\u2205" : JSON.stringify(now)}`,
            ),
          ),
        ),
    ),
  );
}

/** `<event-list>`: newest first; every version once, whether it came from the stream or from the trail. Forgets the oldest. */
export class EventList extends HTMLElement {
  #list = h("ol", { class: "events", tabindex: "0", "aria-label": "Events, newest first" });
  #empty = h("p", { class: "empty" }, "Nothing has happened yet.");
  /** @type {Map<string, Event>} */
  #events = new Map();
  /** @type {string[]} */
  #drawn = [];
  #scheduled = false;

  connectedCallback() {
    if (!this.childElementCount) this.append(this.#empty, this.#list);
  }

  /** @param {Event[]} events with epoch and version */
  add(events) {
    for (const event of events) {
      const key = `${event.epoch}:${event.version}:${event.changeId ?? ""}`;
      if (!this.#events.has(key) || event.changes) this.#events.set(key, event);
    }
    if (this.#events.size > MOST_KEPT)
      for (const [key] of this.#newestFirst().slice(MOST_KEPT)) this.#events.delete(key);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#draw());
  }

  /** All that are kept, oldest first. */
  get events() {
    return this.#newestFirst()
      .map(([, event]) => event)
      .reverse();
  }

  #newestFirst() {
    return [...this.#events.entries()].sort(
      ([, a], [, b]) => number(b.epoch) - number(a.epoch) || number(b.version) - number(a.version),
    );
  }

  #draw() {
    this.#scheduled = false;
    const newest = this.#newestFirst().slice(0, MOST_SHOWN);
    this.#empty.hidden = newest.length > 0;
    this.#list.hidden = !newest.length;
    const keys = newest.map(([key]) => key);
    const added = keys.length - this.#drawn.length;
    if (added > 0 && this.#drawn.every((key, place) => key === keys[place + added])) {
      this.#list.prepend(...newest.slice(0, added).map(([, event]) => eventItem(event)));
    } else if (keys.join() !== this.#drawn.join()) {
      this.#list.replaceChildren(...newest.map(([, event]) => eventItem(event)));
    }
    this.#drawn = keys;
  }
}

customElements.define("event-list", EventList);
