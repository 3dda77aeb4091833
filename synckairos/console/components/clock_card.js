// @ts-check
// One holder's clock, drawn large: what it shows, what it does, how much of its present part is left.
import { h, setAttribute, setText } from "../view/dom.js";
import { exact, face } from "../view/format.js";

/** @typedef {import("../vendor/session_clock.js").ClockView} ClockView */
/** @typedef {{id: string, name: string, turn: string, isActive: boolean, isOut: boolean, mainMs: number, periodMs: number}} Holder mainMs, periodMs: the whole of each */

const LOW_MS = 10_000;
const MOST_PERIODS_DRAWN = 8;
const PHASE_WORDS = {
  UNSPECIFIED: "",
  FREE: "free turn",
  DELAY: "delay",
  MAIN: "main time",
  PERIOD: "period",
  RESERVE: "reserve",
  PENALTY: "below zero",
  OVERTIME: "overtime",
  FLAG: "flag",
};

/** A card that is painted again and again. */
export class ClockCard {
  #units = document.createTextNode("");
  #tenths = h("span", { class: "clock-tenths" });
  #face = h("span", { class: "clock-face" }, this.#units, this.#tenths);
  #name = h("h2", { class: "clock-name" });
  #turn = h("span", { class: "clock-turn" });
  #phase = h("span", { class: "clock-phase" });
  #periods = h("span", { class: "periods", "aria-hidden": "true" });
  #more = h("span", { class: "clock-more" });
  #bar = h("i");
  element = h(
    "section",
    { class: "clock" },
    h("div", { class: "clock-head" }, this.#name, this.#turn),
    h("div", { role: "timer", "aria-live": "off" }, this.#face),
    h("div", { class: "clock-foot" }, this.#phase, this.#periods, this.#more),
    h("div", { class: "clock-bar" }, this.#bar),
  );
  #periodsShown = "";
  #mostPeriods = 0;
  #shareShown = "";
  #whole = { main: 0, period: 0 };
  /** What was written last, in ms; for those who compare it with what it should be. */
  paintedMs = NaN;

  /** @param {Holder} holder */
  describe(holder) {
    setText(this.#name, holder.name);
    setText(this.#turn, holder.turn);
    this.element.setAttribute("aria-label", `Clock of ${holder.name}`);
    this.element.dataset["holder"] = holder.id;
    this.element.classList.toggle("active", holder.isActive);
    this.element.classList.toggle("out", holder.isOut);
    this.#whole = { main: holder.mainMs, period: holder.periodMs };
  }

  /** @param {ClockView} view */
  paint(view) {
    const { sign, units, tenths } = face(view.displayMs);
    this.paintedMs = view.displayMs;
    if (this.#units.data !== sign + units) this.#units.data = sign + units;
    setText(this.#tenths, tenths);
    this.#face.classList.toggle("long", units.length > 6);
    this.element.classList.toggle("low", view.rate < 0 && (view.remainingMs ?? Infinity) < LOW_MS);
    setAttribute(this.element, "data-phase", view.phase);
    setText(this.#phase, this.#phaseWords(view));
    this.#phase.hidden = !view.phase || view.phase === "UNSPECIFIED";
    this.#paintPeriods(view);
    setText(this.#more, this.#moreWords(view));
    const share = `scaleX(${this.#share(view).toFixed(3)})`;
    if (share !== this.#shareShown) this.#bar.style.transform = share;
    this.#shareShown = share;
  }

  /** How much of its present part a clock has, 0 to 1. @param {ClockView} view */
  #share({ phase, displayMs, rate }) {
    const part = phase === "PERIOD" ? "period" : "main";
    this.#whole[part] = Math.max(this.#whole[part], displayMs);
    return rate > 0 || !this.#whole[part] ? 1 : Math.max(0, displayMs / this.#whole[part]);
  }

  /** @param {ClockView} view */
  #phaseWords({ phase, rate }) {
    return PHASE_WORDS[phase] + (rate === 0 && phase === "DELAY" ? ", the bank stands" : "");
  }

  /** What else the parts of the clock say. @param {ClockView} view */
  #moreWords(view) {
    const parts = [];
    if (view.periodsLeft) parts.push(`${view.periodsLeft} ${view.periodsLeft === 1 ? "period" : "periods"} left`);
    if (view.phase !== "PERIOD" && view.periodsLeft === undefined && view.periodRemainingMs)
      parts.push(`${exact(view.periodRemainingMs)} a turn`);
    if (view.overtimeMs && view.phase !== "OVERTIME") parts.push(`${exact(view.overtimeMs)} over`);
    return parts.join(", ");
  }

  /** @param {ClockView} view */
  #paintPeriods({ periodsLeft = 0 }) {
    this.#mostPeriods = Math.max(this.#mostPeriods, periodsLeft);
    const key = `${periodsLeft}/${this.#mostPeriods}`;
    if (key === this.#periodsShown) return;
    this.#periodsShown = key;
    this.#periods.hidden = !this.#mostPeriods || this.#mostPeriods > MOST_PERIODS_DRAWN;
    this.#periods.replaceChildren(
      ...Array.from({ length: Math.min(this.#mostPeriods, MOST_PERIODS_DRAWN) }, (_, place) =>
        h("i", { class: place < periodsLeft ? "" : "burnt" }),
      ),
    );
  }
}
