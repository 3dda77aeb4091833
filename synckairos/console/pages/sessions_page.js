// @ts-check
// All sessions of the store, newest first, by state, mode and labels.
import { SessionTable } from "../components/session_table.js";
import { labelsIn } from "../components/verb_fields.js";
import { describeError, isAbort } from "../rpc/errors.js";
import { listSessions } from "../rpc/services.js";
import { choice, field, h } from "../view/dom.js";
import { title } from "../view/format.js";
import { href, replaceAddress } from "../view/router.js";
import { addShortcuts } from "../view/shortcuts.js";

export const STATUSES = ["RUNNING", "PAUSED", "PENDING", "EXPIRED", "COMPLETED", "CANCELLED"];
/** @type {[string, string][]} */
export const MODES = ["PER_PARTICIPANT", "PER_CYCLE", "PER_GROUP", "GLOBAL", "COUNT_UP"].map((mode) => [
  mode,
  title(mode, "MODE"),
]);

const PAGE_SIZE = 50;
const POLL_MS = 5_000;

/** `<sessions-page>` */
export class SessionsPage extends HTMLElement {
  /** @param {URLSearchParams} [query] */
  constructor(query = new URLSearchParams()) {
    super();
    const chosen = query.getAll("status");
    this.statuses = STATUSES.map((status) =>
      h("input", { type: "checkbox", name: "status", value: status, checked: chosen.includes(status) }),
    );
    this.mode = choice({ name: "mode" }, [["", "All modes"], ...MODES], query.get("mode") ?? "");
    this.labels = h("input", {
      name: "labels",
      value: query.get("labels") ?? "",
      placeholder: "event=final, board=3",
      autocomplete: "off",
    });
  }

  #table = new SessionTable();
  #note = h("p", { class: "empty", hidden: true });
  #problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #more = h("button", { type: "button", hidden: true, onclick: () => void this.#loadMore() }, "Load more");
  #token = "";
  #pages = 1;
  #asked = new AbortController();
  #timer = 0;
  #dropKeys = () => {};

  connectedCallback() {
    this.className = "page";
    const filters = h(
      "form",
      {
        class: "filters card",
        role: "search",
        "aria-label": "Filter sessions",
        onsubmit: (/** @type {Event} */ event) => event.preventDefault(),
        oninput: () => this.#restart(),
      },
      h(
        "fieldset",
        {},
        h("legend", {}, "Status"),
        h(
          "div",
          { class: "chips" },
          this.statuses.map((box) => h("label", {}, box, title(box.value, "STATUS"))),
        ),
      ),
      field("Mode", this.mode),
      field("Labels", this.labels),
    );
    this.replaceChildren(
      h(
        "div",
        { class: "page-head" },
        h("div", {}, h("h1", {}, "Sessions"), h("p", {}, "Newest first; ended ones until the store forgets them.")),
        h("a", { class: "button primary", href: href(["create"]) }, "Create a session"),
      ),
      filters,
      this.#problem,
      h("section", { class: "card flush", "aria-label": "Sessions" }, this.#table, this.#note),
      h("div", { class: "row" }, this.#more),
    );
    this.#dropKeys = addShortcuts([{ keys: "/", words: "Filter by labels", act: () => this.labels.focus() }]);
    void this.#load();
  }

  disconnectedCallback() {
    this.#dropKeys();
    this.#asked.abort();
    clearTimeout(this.#timer);
  }

  #restart() {
    const statuses = this.statuses.filter((box) => box.checked).map((box) => box.value);
    replaceAddress(href(["sessions"], { status: statuses, mode: this.mode.value, labels: this.labels.value }));
    this.#pages = 1;
    void this.#load();
  }

  #filters() {
    return {
      pageSize: PAGE_SIZE,
      statuses: this.statuses.filter((box) => box.checked).map((box) => `STATUS_${box.value}`),
      modes: this.mode.value ? [`MODE_${this.mode.value}`] : [],
      labels: labelsIn(this.labels.value),
    };
  }

  /** Read the first page again; while only that is shown, every few seconds. */
  async #load() {
    this.#asked.abort();
    clearTimeout(this.#timer);
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const page = await listSessions(this.#filters(), { signal });
      const sessions = page.sessions ?? [];
      this.#table.show(sessions, page.serverTime ?? "");
      this.#token = page.nextPageToken ?? "";
      this.#problem.hidden = true;
      this.#table.hidden = !sessions.length;
      this.#note.hidden = sessions.length > 0;
      this.#note.textContent = this.#token
        ? "None of the newest sessions matches; there are more."
        : "No session matches.";
      this.#more.hidden = !this.#token;
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#say(error);
    }
    if (this.#pages === 1) this.#timer = setTimeout(() => void this.#load(), POLL_MS);
  }

  async #loadMore() {
    clearTimeout(this.#timer);
    this.#pages++;
    const { signal } = this.#asked;
    try {
      const page = await listSessions({ ...this.#filters(), pageToken: this.#token }, { signal });
      this.#table.add(page.sessions ?? [], page.serverTime ?? "");
      this.#table.hidden = false;
      this.#note.hidden = true;
      this.#token = page.nextPageToken ?? "";
      this.#more.hidden = !this.#token;
    } catch (error) {
      if (!isAbort(error)) this.#say(error);
    }
  }

  /** @param {unknown} error */
  #say(error) {
    this.#problem.textContent = describeError(error);
    this.#problem.hidden = false;
  }
}

customElements.define("sessions-page", SessionsPage);
