// @ts-check
// Dialogs: a question with fields, and what the user is told when the answer was refused.
import { describeError, RpcError } from "../rpc/errors.js";
import { announce } from "./announce.js";
import { h } from "./dom.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} [text] what will happen
 * @property {HTMLElement[]} [fields]
 * @property {string} confirm the words of the button
 * @property {boolean} [isDangerous]
 * @property {boolean} [beginsWithFields] the first field has the focus, not the button
 * @property {(form: HTMLFormElement) => Promise<void>} act may throw: the dialog stays and says why
 */

/** Ask, and act once the user confirms. @param {Question} question */
export function ask({ title, text = "", fields = [], confirm, isDangerous = false, beginsWithFields = false, act }) {
  const problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: isDangerous ? "primary danger" : "primary" }, confirm);
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Keep as it is");
  const form = h(
    "form",
    { method: "dialog", novalidate: true },
    h("h2", { id: "dialog-title" }, title),
    text && h("p", { class: "quiet", id: "dialog-text" }, text),
    ...fields,
    problem,
    h("div", { class: "row end" }, cancel, button),
  );
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", "aria-describedby": text && "dialog-text" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    try {
      await act(form);
      dialog.close();
    } catch (error) {
      if (!showFieldErrors(form, error)) {
        problem.textContent = describeError(error);
        problem.hidden = false;
      }
    } finally {
      button.disabled = false;
    }
  });
  open(dialog);
  const [first] = fields.flatMap((one) => [...one.querySelectorAll("input, select, textarea")]);
  (beginsWithFields && first instanceof HTMLElement ? first : button).focus();
}

/** Show something to read. @param {string} title @param {HTMLElement[]} content */
export function show(title, content) {
  const close = h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "dialog-title" }, title),
      ...content,
      h("div", { class: "row end" }, close),
    ),
  );
  open(dialog);
  close.focus();
}

/** @param {HTMLDialogElement} dialog */
function open(dialog) {
  for (const other of document.querySelectorAll("dialog[open]")) if (other instanceof HTMLDialogElement) other.close();
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Say below each field what is wrong with it.
 * @param {HTMLElement} form whose fields have `data-field` with the contract's name
 * @param {unknown} error
 * @returns {boolean} whether every problem has its field
 */
export function showFieldErrors(form, error) {
  clearFieldErrors(form);
  if (!(error instanceof RpcError) || !error.fields.length) return false;
  let first = null;
  let placed = 0;
  for (const { field, description } of error.fields) {
    const element =
      form.querySelector(`[data-field="${CSS.escape(field)}"]`) ??
      form.querySelector(`[data-field="${CSS.escape(field.replace(/[.[].*/, ""))}"]`);
    const control = element?.querySelector("input, select, textarea");
    const hint = element?.querySelector(".hint");
    if (!element || !(control instanceof HTMLElement) || !(hint instanceof HTMLElement)) continue;
    hint.dataset["hint"] ??= hint.textContent ?? "";
    hint.textContent = description;
    hint.classList.add("wrong");
    control.setAttribute("aria-invalid", "true");
    first ??= control;
    placed++;
  }
  first?.focus();
  if (placed) announce(describeError(error));
  return placed === error.fields.length;
}

/** @param {HTMLElement} form */
export function clearFieldErrors(form) {
  for (const hint of form.querySelectorAll(".hint.wrong")) {
    if (!(hint instanceof HTMLElement)) continue;
    hint.textContent = hint.dataset["hint"] ?? "";
    hint.classList.remove("wrong");
  }
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}
