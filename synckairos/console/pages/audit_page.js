// @ts-check
// The trail: sessions long gone, everything about one session, everything about one participant.

import { auditSummary } from "../components/audit_summary.js";
import { eventItem } from "../components/event_list.js";
import { statusPill } from "../components/session_table.js";
import { describeError, isAbort } from "../rpc/errors.js";
import { getSessionAudit, listAuditedSessions, listParticipantEvents, listSessionEvents } from "../rpc/services.js";
import { choice, field, h } from "../view/dom.js";
import { dateTime, number, sessionName, title } from "../view/format.js";
import { go, href, replaceAddress } from "../view/router.js";
import { addShortcuts } from "../view/shortcuts.js";
import { MODES, STATUSES } from "./sessions_page.js";

/** @typedef {import("../rpc/contract.js").AuditedSession} AuditedSession */
/** @typedef {import("../rpc/contract.js").Event} Event */

const PAGE_SIZE = 100;
/** @type {[string, string][]} */
const TYPES = [
  "SESSION_CREATED",
  "SESSION_STARTED",
  "CYCLE_SWITCHED",
  "SESSION_PAUSED",
  "SESSION_RESUMED",
  "SESSION_COMPLETED",
  "SESSION_CANCELLED",
  "SESSION_EXPIRED",
  "PARTICIPANT_EXPIRED",
  "OVERTIME_STARTED",
  "PARTICIPANT_ADDED",
  "PARTICIPANT_REMOVED",
  "TIME_ADJUSTED",
  "SESSION_UPDATED",
  "SESSION_DELETED",
  "SESSION_RECOVERED",
  "CLOCK_ADVANCED",
].map((type) => [type, title(type, "")]);

/** `<audit-page>`: `#/audit`, `#/audit/<session>`, `#/audit/participant/<participant>` */
export class AuditPage extends HTMLElement {
  /** @param {string} [id] @param {string} [part] @param {URLSearchParams} [query] */
  constructor(id = "", part = "", query = new URLSearchParams()) {
    super();
    this.participantId = id === "participant" ? part : "";
    this.sessionId = this.participantId ? "" : id;
    this.inputs = {
      kind: choice(
        { name: "kind" },
        [
          ["session", "Session"],
          ["participant", "Participant"],
        ],
        this.participantId ? "participant" : "session",
      ),
      id: h("input", {
        name: "id",
        class: "mono",
        value: this.participantId || this.sessionId,
        placeholder: "UUID; empty: all sessions",
        autocomplete: "off",
        spellcheck: "false",
      }),
      status: choice(
        { name: "status" },
        [["", "Any status"], ...STATUSES.map((one) => /** @type {[string, string]} */ ([one, title(one, "STATUS")]))],
        query.get("status") ?? "",
      ),
      mode: choice({ name: "mode" }, [["", "All modes"], ...MODES], query.get("mode") ?? ""),
      type: choice({ name: "type" }, [["", "All events"], ...TYPES], query.get("type") ?? ""),
      after: h("input", { name: "after", type: "datetime-local", step: "1", value: query.get("after") ?? "" }),
      before: h("input", { name: "before", type: "datetime-local", step: "1", value: query.get("before") ?? "" }),
      omit: h("input", { name: "omit", type: "checkbox", checked: query.has("omit") }),
    };
  }

  #summary = h("div");
  #results = h("section", { class: "card flush", "aria-label": "Found" });
  #problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #more = h("button", { type: "button", hidden: true, onclick: () => void this.#read(false) }, "Load more");
  #token = "";
  #asked = new AbortController();
  #dropKeys = () => {};

  connectedCallback() {
    this.className = "page";
    const { kind, id, status, mode, type, after, before, omit } = this.inputs;
    const isList = !this.sessionId && !this.participantId;
    const form = h(
      "form",
      {
        class: "card stack",
        role: "search",
        "aria-label": "Search the trail",
        onsubmit: (/** @type {Event & globalThis.Event} */ event) => {
          event.preventDefault();
          this.#search();
        },
        onchange: () => this.#filter(),
      },
      h(
        "div",
        { class: "row" },
        h("div", {}, field("About a", kind)),
        h("div", { class: "grow" }, field("Id", id)),
        h(
          "div",
          { class: "field" },
          h("span", { class: "hint" }, "\u00a0"),
          h("button", { type: "submit", class: "primary" }, "Search"),
        ),
      ),
      h(
        "div",
        { class: "form-grid" },
        ...(isList ? [field("Status", status), field("Mode", mode)] : [field("Event", type)]),
        field(isList ? "Created from" : "From", after),
        field(isList ? "Created before" : "Before", before),
      ),
      isList && h("label", { class: "check" }, omit, "Leave out deleted sessions"),
    );
    this.replaceChildren(
      h(
        "div",
        { class: "page-head" },
        h(
          "div",
          {},
          h("h1", {}, "Audit trail"),
          h("p", {}, "What happened, when, by whom and why; also to sessions that are long gone."),
        ),
      ),
      form,
      this.#problem,
      this.#summary,
      this.#results,
      h("div", { class: "row" }, this.#more),
    );
    this.#dropKeys = addShortcuts([{ keys: "/", words: "Search by id", act: () => id.select() }]);
    void this.#read(true);
  }

  disconnectedCallback() {
    this.#dropKeys();
    this.#asked.abort();
  }

  #search() {
    const { kind, id } = this.inputs;
    const wanted = id.value.trim().toLowerCase();
    const address = href(
      wanted ? (kind.value === "participant" ? ["audit", "participant", wanted] : ["audit", wanted]) : ["audit"],
    );
    if (address === location.hash.split("?")[0]) void this.#read(true);
    else go(address);
  }

  #filter() {
    const { status, mode, type, after, before, omit } = this.inputs;
    replaceAddress(
      href(
        this.participantId ? ["audit", "participant", this.participantId] : ["audit", this.sessionId].filter(Boolean),
        {
          status: status.value,
          mode: mode.value,
          type: type.value,
          after: after.value,
          before: before.value,
          omit: omit.checked ? "1" : "",
        },
      ),
    );
    void this.#read(true);
  }

  /** @param {boolean} anew */
  async #read(anew) {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    if (anew) this.#token = "";
    try {
      const page = await this.#page(signal);
      this.#problem.hidden = true;
      if (anew)
        this.#results.replaceChildren(
          ...(page.items.length ? [page.frame] : [h("p", { class: "empty" }, "Nothing found.")]),
        );
      this.#results.querySelector("tbody, ol")?.append(...page.items);
      this.#token = page.token;
      this.#more.hidden = !this.#token;
      if (anew && this.sessionId) {
        this.#summary.replaceChildren(auditSummary(await getSessionAudit(this.sessionId, { signal })));
      }
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#results.replaceChildren();
      this.#problem.textContent = describeError(error);
      this.#problem.hidden = false;
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<{items: Node[], token: string, frame: Node}>} */
  async #page(signal) {
    const { status, mode, type, after, before, omit } = this.inputs;
    const shared = { pageSize: PAGE_SIZE, pageToken: this.#token };
    const times = {
      ...(after.value && { after: new Date(after.value).toISOString() }),
      ...(before.value && { before: new Date(before.value).toISOString() }),
    };
    const types = type.value ? [`EVENT_TYPE_${type.value}`] : [];
    if (this.sessionId || this.participantId) {
      const page = this.sessionId
        ? await listSessionEvents(
            { ...shared, ...times, types, sessionId: this.sessionId, withChanges: true },
            { signal },
          )
        : await listParticipantEvents({ ...shared, ...times, types, participantId: this.participantId }, { signal });
      const items = (page.events ?? []).map((event) =>
        eventItem(event, { withSession: !!this.participantId, withDay: true }),
      );
      return {
        items,
        token: page.nextPageToken ?? "",
        frame: h("ol", { class: "events all", "aria-label": "Events, oldest first" }),
      };
    }
    const page = await listAuditedSessions(
      {
        ...shared,
        omitDeleted: omit.checked,
        statuses: status.value ? [`STATUS_${status.value}`] : [],
        modes: mode.value ? [`MODE_${mode.value}`] : [],
        ...(times.after && { createdAfter: times.after }),
        ...(times.before && { createdBefore: times.before }),
      },
      { signal },
    );
    return { items: (page.sessions ?? []).map(row), token: page.nextPageToken ?? "", frame: table() };
  }
}

customElements.define("audit-page", AuditPage);

function table() {
  return h(
    "table",
    { class: "sessions cards" },
    h("caption", { class: "hidden-visually" }, "Sessions of the trail, newest first"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Session", "Status", "Mode", "Cycles", "Created"].map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    h("tbody"),
  );
}

/** @param {AuditedSession} audited */
function row({ session, totalCycles, isDeleted }) {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: href(["audit", session.sessionId]) }, sessionName(session))),
    h(
      "td",
      { class: "side" },
      statusPill(session.status),
      isDeleted && h("span", { class: "small quiet" }, " deleted"),
    ),
    h("td", { class: "quiet optional" }, title(session.mode, "MODE")),
    h("td", { class: "quiet figures optional" }, number(totalCycles)),
    h("td", { class: "quiet figures" }, dateTime(session.createdAt)),
  );
}
