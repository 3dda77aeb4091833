// @ts-check
// Keys. Each page adds its own; none of them acts while the user writes, or while a dialog is open.

/** @typedef {{keys: string, words: string, act: () => void}} Shortcut keys: one key, or two after each other (`g o`) */

const SECOND_KEY_MS = 1200;
/** @type {Set<Shortcut[]>} */
const sets = new Set();
let first = "";
let firstAt = 0;
let enabled = true;

/** Add shortcuts. @param {Shortcut[]} shortcuts @returns {() => void} takes them away */
export function addShortcuts(shortcuts) {
  sets.add(shortcuts);
  return () => void sets.delete(shortcuts);
}

/** All that work at present. */
export function activeShortcuts() {
  return [...sets].flat();
}

/** Whether keys are listened to. */
export function shortcutsEnabled() {
  return enabled;
}

/** Single keys get in the way of some input devices: they can be turned off. @param {boolean} wanted */
export function enableShortcuts(wanted) {
  enabled = wanted;
}

document.addEventListener("keydown", (event) => {
  if (!enabled || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (isWriting(event.target) || document.querySelector("dialog[open]")) return;
  const isSecond = first !== "" && event.timeStamp - firstAt < SECOND_KEY_MS;
  const keys = isSecond ? `${first} ${event.key}` : event.key;
  const shortcut = activeShortcuts().find((one) => one.keys === keys);
  first = "";
  if (shortcut) {
    event.preventDefault();
    shortcut.act();
  } else if (activeShortcuts().some((one) => one.keys.startsWith(`${event.key} `))) {
    first = event.key;
    firstAt = event.timeStamp;
  }
});

/** @param {EventTarget | null} target */
function isWriting(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), select, textarea"))
  );
}
