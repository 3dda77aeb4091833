// @ts-check
// The running clock of a session in one line of a list.
import { eachFrame } from "../live/frame_loop.js";
import { serverTime } from "../live/page_services.js";
import { factsFromJson, SessionClock } from "../vendor/index.js";
import { faceText } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */

/** `<row-clock>`: give it a session by update(). */
export class RowClock extends HTMLElement {
  #text = document.createTextNode("");
  /** @type {SessionClock | null} */
  #clock = null;
  #stop = () => {};

  connectedCallback() {
    this.className = "clock-small";
    this.setAttribute("role", "timer");
    if (!this.#text.parentNode) this.append(this.#text);
    this.#stop = eachFrame(() => this.#paint());
  }

  disconnectedCallback() {
    this.#stop();
  }

  /** @param {Session} session @param {string} serverTimeText */
  update(session, serverTimeText) {
    this.#clock = new SessionClock(factsFromJson(session, serverTimeText));
    this.classList.toggle("still", session.status !== "STATUS_RUNNING");
    this.#paint();
  }

  #paint() {
    if (!this.#clock) return;
    const { manualClock, serverTimeMs } = this.#clock.session;
    const now = serverTime.now();
    const { holders } = this.#clock.at(manualClock || Number.isNaN(now) ? serverTimeMs : now);
    const shown = holders.find((one) => one.isRunning) ?? (holders.length === 1 ? holders[0] : undefined);
    const text = shown ? faceText(shown.displayMs) : "\u2013";
    if (this.#text.data !== text) this.#text.data = text;
  }
}

customElements.define("row-clock", RowClock);
