// @ts-check
// A figure's last minute as a line.
import { svg } from "../view/dom.js";

const SAMPLES = 60;

/** One sample after another, drawn as a line that fills its width. */
export class SparkLine {
  #least;
  /** @type {number[]} */
  #values = [];
  #line = svg("path");
  #area = svg("path", { class: "area" });
  element = svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${SAMPLES - 1} 30`, preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#area,
    this.#line,
  );

  /** @param {number} [least] the least that fills the height */
  constructor(least = 1) {
    this.#least = least;
  }

  /** @param {number} value */
  add(value) {
    this.#values = [...this.#values, value].slice(-SAMPLES);
    const most = Math.max(...this.#values, this.#least);
    const begin = SAMPLES - this.#values.length;
    const path = this.#values
      .map((one, place) => `${place ? "L" : "M"}${begin + place},${(28 - (26 * one) / most).toFixed(1)}`)
      .join("");
    this.#line.setAttribute("d", path);
    this.#area.setAttribute("d", `${path}L${SAMPLES - 1},30L${begin},30Z`);
  }
}
