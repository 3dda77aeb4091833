// @ts-check
// What happens without the user's doing: said once by a live region, and shown for a moment.
import { h } from "./dom.js";

const SHOWN_MS = 5_000;
const region = h("p", { class: "hidden-visually", role: "status", "aria-live": "polite" });
const toasts = h("div", { class: "toasts" });

/** The elements that the page has to hold. */
export const announcements = [region, toasts];

/** Tell a screen reader. @param {string} text */
export function announce(text) {
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** Show a text for a few seconds, and say it. @param {string} text @param {"info" | "error"} [kind] */
export function toast(text, kind = "info") {
  const element = h("div", { class: "toast", "data-kind": kind }, text);
  toasts.append(element);
  announce(text);
  setTimeout(() => element.remove(), kind === "error" ? 2 * SHOWN_MS : SHOWN_MS);
}
