// @ts-check
// Pages by the hash of the address: `#/sessions?status=RUNNING`. No page is ever asked of the server.

/** @typedef {{path: string[], query: URLSearchParams}} Place */
/** @typedef {HTMLElement & {pageTitle?: string}} Page */
/** @typedef {{section: string, title: string, open: (place: Place) => Page}} Route */

/** Where the address points to. @returns {Place} */
export function currentPlace() {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(safelyDecoded), query: new URLSearchParams(query) };
}

/** The address of a place. @param {string[]} path @param {Record<string, string | string[]>} [query] */
export function href(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) if (value) parameters.append(name, value);
  }
  const text = parameters.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Go there. @param {string} address */
export function go(address) {
  location.hash = address;
}

/** Say where the user is without leaving the page. @param {string} address */
export function replaceAddress(address) {
  history.replaceState(null, "", address);
}

/** @param {string} text */
function safelyDecoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
