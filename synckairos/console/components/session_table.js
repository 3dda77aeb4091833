// @ts-check
// Sessions as rows, each with its running clock.
import { feed } from "../live/page_services.js";
import { h, setText } from "../view/dom.js";
import { dateTime, holderName, number, sessionName, title } from "../view/format.js";
import { href } from "../view/router.js";
import { RowClock } from "./row_clock.js";

/** @typedef {import("../rpc/contract.js").Session} Session */

/** A status as a coloured word. @param {string} status */
export function statusPill(status) {
  const words = title(status, "STATUS");
  return h("span", { class: `pill ${words.toLowerCase()}` }, words);
}

/** `<session-table>`: rows follow their sessions as long as they are on the page. */
export class SessionTable extends HTMLElement {
  #body = h("tbody");
  /** @type {Map<string, () => void>} */
  #watches = new Map();

  connectedCallback() {
    if (this.childElementCount) return;
    const heads = ["Session", "Status", "Clock", "To move", "Mode", "Version", "Created"];
    this.append(
      h(
        "table",
        { class: "sessions cards" },
        h("caption", { class: "hidden-visually" }, "Sessions, newest first"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((head) =>
              h("th", { scope: "col", class: head === "Version" || head === "Clock" ? "right" : "" }, head),
            ),
          ),
        ),
        this.#body,
      ),
    );
  }

  disconnectedCallback() {
    for (const stop of this.#watches.values()) stop();
    this.#watches.clear();
  }

  /** Show these and no others. @param {Session[]} sessions @param {string} serverTimeText */
  show(sessions, serverTimeText) {
    const kept = new Map([...this.#body.rows].map((row) => [row.dataset["session"] ?? "", row]));
    const wanted = new Set(sessions.map((one) => one.sessionId));
    for (const [id, stop] of this.#watches) {
      if (wanted.has(id)) continue;
      stop();
      this.#watches.delete(id);
    }
    for (const [id, row] of kept) if (!wanted.has(id)) row.remove();
    sessions.forEach((session, place) => {
      const row = kept.get(session.sessionId) ?? this.#row(session, serverTimeText);
      if (this.#body.rows[place] !== row) this.#body.insertBefore(row, this.#body.rows[place] ?? null);
    });
  }

  /** Show these too. @param {Session[]} sessions @param {string} serverTimeText */
  add(sessions, serverTimeText) {
    this.#body.append(
      ...sessions.filter((one) => !this.#watches.has(one.sessionId)).map((one) => this.#row(one, serverTimeText)),
    );
  }

  /** @param {Session} first @param {string} serverTimeText */
  #row(first, serverTimeText) {
    const name = h("a", { href: href(["sessions", first.sessionId]) });
    const labels = h("span");
    const status = h("td", { class: "side" }),
      clock = new RowClock(),
      turn = h("td", { class: "quiet" }),
      version = h("td", { class: "right figures optional" });
    const row = h(
      "tr",
      { "data-session": first.sessionId },
      h("td", {}, name, " ", labels),
      status,
      h("td", { class: "right side" }, clock),
      turn,
      h("td", { class: "quiet optional nowrap" }, title(first.mode, "MODE")),
      version,
      h("td", { class: "quiet optional nowrap figures" }, dateTime(first.createdAt)),
    );
    const update = (/** @type {Session} */ session, /** @type {string} */ at) => {
      setText(name, sessionName(session));
      labels.replaceChildren(
        ...Object.entries(session.labels ?? {})
          .slice(0, 3)
          .map(([key, value]) => h("span", { class: "label" }, `${key}: ${value}`)),
      );
      status.replaceChildren(statusPill(session.status));
      clock.update(session, at);
      setText(turn, holderName(session, { participantId: session.activeParticipantId ?? "" }));
      setText(version, String(number(session.version)));
    };
    update(first, serverTimeText);
    this.#watches.set(
      first.sessionId,
      feed.watch(first.sessionId, (message) => {
        const session = message.snapshot ?? message.event?.session;
        if (session && message.serverTime) update(session, message.serverTime);
        if (message.event?.type === "EVENT_TYPE_SESSION_DELETED")
          status.replaceChildren(h("span", { class: "pill" }, "Deleted"));
      }),
    );
    return row;
  }
}

customElements.define("session-table", SessionTable);
