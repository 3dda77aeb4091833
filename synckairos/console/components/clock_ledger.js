// @ts-check
// The account of one clock: why it shows what it shows.
import { describeError, isAbort } from "../rpc/errors.js";
import { explainClock } from "../rpc/services.js";
import { choice, field, h } from "../view/dom.js";
import { exact, groupName, number, participantName, signed, timeOfDay, title } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("../rpc/contract.js").ClockLine} ClockLine */

/** `<clock-ledger>`: give it a session by update(); it asks the trail once it is opened, and again when asked to. */
export class ClockLedger extends HTMLElement {
  #holder = h("select", { name: "ledger-holder", onchange: () => void this.#load() });
  #rows = h("tbody");
  #note = h("p", { class: "notice", hidden: true });
  #table = h(
    "table",
    { class: "figures ledger" },
    h(
      "caption",
      { class: "hidden-visually" },
      "Every amount that was added to the clock or taken from it, oldest first",
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Version", "At", "Why", "Amount", "Balance"].map((head, place) =>
          h("th", { scope: "col", class: place > 2 ? "right" : "" }, head),
        ),
      ),
    ),
    this.#rows,
  );
  /** @type {Session | null} */
  #session = null;
  #asked = new AbortController();

  connectedCallback() {
    if (this.childElementCount) return;
    this.append(
      h(
        "div",
        { class: "stack" },
        h(
          "div",
          { class: "row" },
          h("div", { class: "grow" }, field("Whose clock", this.#holder)),
          h("button", { type: "button", onclick: () => void this.#load() }, "Read again"),
        ),
        this.#note,
        h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Ledger" }, this.#table),
      ),
    );
  }

  disconnectedCallback() {
    this.#asked.abort();
  }

  /** @param {Session} session */
  update(session) {
    const isFirst = !this.#session;
    this.#session = session;
    const holders = holdersOf(session);
    if (this.#holder.options.length !== holders.length) {
      const chosen = this.#holder.value;
      this.#holder.replaceChildren(...choice({}, holders, chosen).options);
      this.#holder.disabled = holders.length < 2;
    }
    if (isFirst) void this.#load();
  }

  async #load() {
    const session = this.#session;
    if (!session) return;
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    const holder =
      session.mode === "MODE_PER_PARTICIPANT"
        ? { participantId: this.#holder.value }
        : session.mode === "MODE_PER_GROUP"
          ? { groupId: this.#holder.value }
          : {};
    try {
      /** @type {ClockLine[]} */
      const lines = [];
      for (let pageToken = ""; ; ) {
        const page = await explainClock(
          { sessionId: session.sessionId, ...holder, pageSize: 500, pageToken },
          { signal },
        );
        lines.push(...(page.lines ?? []));
        pageToken = page.nextPageToken ?? "";
        if (!pageToken) break;
      }
      this.#note.hidden = true;
      this.#table.hidden = false;
      this.#rows.replaceChildren(...lines.map(row));
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#table.hidden = true;
      this.#note.hidden = false;
      this.#note.textContent = describeError(error);
    }
  }
}

customElements.define("clock-ledger", ClockLedger);

/** @param {ClockLine} line */
function row({ version, occurredAt, kind, amountMs, balanceMs, periodsBurnt, note }) {
  const why = [title(kind, "CLOCK_LINE_KIND"), periodsBurnt && `${periodsBurnt} burnt`, note]
    .filter(Boolean)
    .join(" \u00b7 ");
  return h(
    "tr",
    {},
    h("td", {}, number(version)),
    h("td", { class: "nowrap" }, timeOfDay(occurredAt)),
    h("td", { class: "break" }, why),
    h("td", { class: `right nowrap ${number(amountMs) < 0 ? "minus" : "plus"}` }, signed(amountMs)),
    h("td", { class: "right nowrap" }, exact(balanceMs)),
  );
}

/** @param {Session} session @returns {[string, string][]} */
function holdersOf(session) {
  if (session.mode === "MODE_PER_PARTICIPANT")
    return (session.participants ?? []).map((one) => [one.participantId, participantName(session, one.participantId)]);
  if (session.mode === "MODE_PER_GROUP")
    return (session.groups ?? []).map((one) => [one.groupId, groupName(session, one.groupId)]);
  return [["", "The session\u2019s own"]];
}
