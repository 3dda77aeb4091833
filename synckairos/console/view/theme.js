// @ts-check
// Dark and light: the system's wish, until the user says otherwise. Only that choice outlives the page.

/** @typedef {"system" | "light" | "dark"} Theme */

const KEY = "synckairos.theme";
/** @type {Theme[]} */
const THEMES = ["system", "light", "dark"];

/** @returns {Theme} */
export function currentTheme() {
  const kept = storage()?.getItem(KEY);
  return THEMES.find((theme) => theme === kept) ?? "system";
}

/** @param {Theme} theme */
export function setTheme(theme) {
  storage()?.setItem(KEY, theme);
  applyTheme();
}

/** Go on to the next of system, light and dark. @returns {Theme} */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length] ?? "system";
  setTheme(next);
  return next;
}

/** Paint the page as chosen. */
export function applyTheme() {
  const theme = currentTheme();
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** Absent where the browser keeps nothing. @returns {Storage | null} */
function storage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
