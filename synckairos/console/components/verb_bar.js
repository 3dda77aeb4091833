// @ts-check
// A button for everything that can be done to a session now; each asks before it acts.
import { toast } from "../view/announce.js";
import { ask } from "../view/dialogs.js";
import { field, h } from "../view/dom.js";
import { addShortcuts } from "../view/shortcuts.js";
import { perform, verbsFor } from "./verbs.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("./verbs.js").Verb} Verb */

/** `<verb-bar>`: give it a session by update(). Dispatches `changed` with the reply. */
export class VerbBar extends HTMLElement {
  /** @type {Session | null} */
  #session = null;
  #shown = "";
  #dropKeys = () => {};

  connectedCallback() {
    this.className = "verbs";
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "What can be done");
  }

  disconnectedCallback() {
    this.#dropKeys();
    this.#shown = "";
  }

  /** @param {Session} session */
  update(session) {
    this.#session = session;
    const verbs = verbsFor(session);
    const key = verbs.map((verb) => verb.call).join();
    if (key === this.#shown) return;
    this.#shown = key;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["verb"] : undefined;
    const ordered = [...verbs].sort(
      (one, other) =>
        Number(!!other.isMain) - Number(!!one.isMain) || Number(!!one.isDangerous) - Number(!!other.isDangerous),
    );
    this.replaceChildren(...ordered.map((verb) => this.#button(verb)));
    if (focused) this.querySelector("button")?.focus();
    this.#dropKeys();
    this.#dropKeys = addShortcuts(
      verbs.map((verb) => ({ keys: verb.key, words: verb.words, act: () => this.#ask(verb) })),
    );
  }

  /** Nothing can be done any more. */
  clear() {
    this.#dropKeys();
    this.replaceChildren();
  }

  /** @param {Verb} verb */
  #button(verb) {
    return h(
      "button",
      {
        type: "button",
        "data-verb": verb.call,
        "aria-keyshortcuts": verb.key,
        onclick: () => this.#ask(verb),
        class: verb.isMain ? "primary" : verb.isDangerous ? "danger" : "",
      },
      verb.words,
    );
  }

  /** @param {Verb} verb */
  #ask(verb) {
    const session = this.#session;
    if (!session) return;
    const reason = field(
      "Reason",
      h("input", { name: "reason", maxlength: "200", autocomplete: "off", required: verb.needsReason }),
      {
        hint: verb.needsReason ? "Required." : "Optional; kept with the event.",
      },
    );
    const fields = verb.fields?.(session) ?? [];
    ask({
      title: `${verb.words}?`,
      text: verb.text(session),
      fields: [...fields, reason],
      confirm: verb.words,
      isDangerous: !!verb.isDangerous,
      beginsWithFields: !!verb.needsInput,
      act: async (form) => {
        const data = new FormData(form);
        const reply = await perform(verb, session, (name) => String(data.get(name) ?? "").trim());
        this.dispatchEvent(new CustomEvent("changed", { detail: reply }));
        toast(`${verb.words}: done${reply.replayed ? " already" : ""}.`);
      },
    });
  }
}

customElements.define("verb-bar", VerbBar);
