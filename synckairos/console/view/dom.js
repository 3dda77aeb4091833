// @ts-check
// Builds elements. Whatever a session says is set as text: no function here, or anywhere in the console, reads HTML.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Child | Child[]} Children */
/** @typedef {Record<string, unknown>} Attributes `onclick`: a listener; true: present; false, null, undefined: absent */

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * Make an element of a picture.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Children} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** @template {Element} E @param {E} element @param {Attributes} attributes @param {Children[]} children @returns {E} */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...nodes(children));
  return element;
}

/** @param {Children[]} children @returns {(Node | string)[]} */
export function nodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** Set a text only if it changes: a clock is painted 60 times a second. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value null: absent */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * A label and its field, with a place for a hint or an error below.
 * @param {string} label @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @param {{hint?: string, id?: string}} [more]
 */
export function field(label, control, { hint = "", id = "" } = {}) {
  const name = id || control.name || label.toLowerCase().replace(/\W+/g, "-");
  control.id ||= `field-${name}-${++fields}`;
  const note = h("p", { class: "hint", id: `${control.id}-hint` }, hint);
  control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field", "data-field": name }, h("label", { for: control.id }, label), control, note);
}

let fields = 0;

/**
 * A select of values with words.
 * @param {Attributes} attributes @param {[string, string][]} options value and words @param {string} [chosen]
 */
export function choice(attributes, options, chosen = "") {
  return h(
    "select",
    attributes,
    options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)),
  );
}
