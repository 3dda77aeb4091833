// @ts-check
// The participants of a new session, with their groups, banks or odds.
import { randomUuid } from "../rpc/services.js";
import { choice, field, h } from "../view/dom.js";

/** @typedef {{name: HTMLInputElement, bank: HTMLInputElement, odds: HTMLInputElement, group: HTMLSelectElement, id: string, element: HTMLLIElement}} Row */

const GROUPS = 4;

/** `<participant-fields>` */
export class ParticipantFields extends HTMLElement {
  /** @type {Row[]} */
  #rows = [];
  #list = h("ol", { class: "participants" });
  #groupIds = Array.from({ length: GROUPS }, randomUuid);
  #groupBank = h("input", { name: "group_total_time_ms", inputmode: "decimal", value: "900", autocomplete: "off" });
  #groupField = field("Bank of every group, in seconds", this.#groupBank);
  #mode = "PER_PARTICIPANT";
  #hasControl = true;

  connectedCallback() {
    this.className = "stack tight";
    if (this.childElementCount) return;
    this.append(
      this.#groupField,
      this.#list,
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => this.#add("").name.focus() }, "Add a participant"),
      ),
    );
    for (const name of ["Black", "White"]) this.#add(name);
  }

  /** Show the fields that such a session takes. @param {string} mode @param {boolean} hasControl */
  adapt(mode, hasControl) {
    this.#mode = mode;
    this.#hasControl = hasControl;
    this.#groupField.hidden = mode !== "PER_GROUP" || hasControl;
    for (const { bank, odds, group } of this.#rows) {
      show(bank, mode === "PER_PARTICIPANT" && !hasControl);
      show(odds, mode === "PER_PARTICIPANT" && hasControl);
      show(group, mode === "PER_GROUP");
    }
  }

  /** The contract's fields. @param {string} mode @param {boolean} hasControl */
  request(mode, hasControl) {
    const participants = this.#rows.map(({ id, name, bank, odds, group }) => ({
      participantId: id,
      ...(name.value.trim() && { metadata: { name: name.value.trim() } }),
      ...(mode === "PER_GROUP" && { groupId: this.#groupIds[Number(group.value)] }),
      ...(mode === "PER_PARTICIPANT" && !hasControl && { totalTimeMs: Math.round(Number(bank.value) * 1000) }),
      ...(mode === "PER_PARTICIPANT" && hasControl && odds.value.trim() && { timeControlText: odds.value.trim() }),
    }));
    if (mode !== "PER_GROUP") return { participants };
    const groups = this.#groupIds.filter((groupId) => participants.some((one) => one.groupId === groupId));
    return {
      participants,
      groups: groups.map((groupId) => ({
        groupId,
        ...(!hasControl && { totalTimeMs: Math.round(Number(this.#groupBank.value) * 1000) }),
      })),
    };
  }

  /** @param {string} name @returns {Row} */
  #add(name) {
    const number = this.#rows.length + 1;
    /** @type {Row} */
    const row = {
      id: randomUuid(),
      name: h("input", { name: "name", value: name, maxlength: "80", autocomplete: "off" }),
      bank: h("input", { name: "total_time_ms", inputmode: "decimal", value: "300", autocomplete: "off" }),
      odds: h("input", {
        name: "time_control_text",
        class: "mono",
        placeholder: "as the session",
        autocomplete: "off",
        spellcheck: "false",
      }),
      group: choice(
        { name: "group_id" },
        Array.from({ length: GROUPS }, (_, place) => [String(place), `Group ${place + 1}`]),
        String((number - 1) % 2),
      ),
      element: h("li"),
    };
    const path = `participants[${this.#rows.length}]`;
    row.element.append(
      field("Name", row.name, { id: path }),
      field("Bank in seconds", row.bank, { id: `${path}.total_time_ms` }),
      field("Own time control", row.odds, { id: `${path}.time_control_text` }),
      field("Group", row.group, { id: `${path}.group_id` }),
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-label": `Remove participant ${number}`,
          onclick: () => this.#remove(row),
        },
        "Remove",
      ),
    );
    this.#rows.push(row);
    this.#list.append(row.element);
    this.adapt(this.#mode, this.#hasControl);
    return row;
  }

  /** @param {Row} row */
  #remove(row) {
    this.#rows = this.#rows.filter((one) => one !== row);
    row.element.remove();
    this.querySelector("button")?.focus();
  }
}

customElements.define("participant-fields", ParticipantFields);

/** @param {HTMLElement} control @param {boolean} isShown */
function show(control, isShown) {
  if (control.parentElement) control.parentElement.hidden = !isShown;
}
