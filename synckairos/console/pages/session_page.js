// @ts-check
// One session: its clocks, what can be done, what happened, why a clock shows what it shows.
import { ClockLedger } from "../components/clock_ledger.js";
import { EventList } from "../components/event_list.js";
import { headline } from "../components/event_words.js";
import { SessionClocks } from "../components/session_clocks.js";
import { SessionFacts } from "../components/session_facts.js";
import { sessionStrip } from "../components/session_strip.js";
import { statusPill } from "../components/session_table.js";
import { drawStrip } from "../components/time_strip.js";
import { VerbBar } from "../components/verb_bar.js";
import { feed, serverTime } from "../live/page_services.js";
import { isAbort } from "../rpc/errors.js";
import { listSessionEvents } from "../rpc/services.js";
import { announce } from "../view/announce.js";
import { h, setText } from "../view/dom.js";
import { number, sessionName, title } from "../view/format.js";
import { href } from "../view/router.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("../rpc/contract.js").WatchMessage} WatchMessage */

const MOST_EVENTS = 1000;
const STRIP_MS = 1000;

/** `<session-page>` */
export class SessionPage extends HTMLElement {
  constructor(id = "") {
    super();
    this.sessionId = id.toLowerCase();
  }

  #name = h("h1", {}, "Session");
  #meta = h("div", { class: "meta" });
  #clocks = new SessionClocks();
  #verbs = new VerbBar();
  #events = new EventList();
  #ledger = new ClockLedger();
  #facts = new SessionFacts();
  #json = h("pre", { class: "json", tabindex: "0", "aria-label": "The session as JSON" });
  #strip = h("div", { class: "stack tight" });
  #stripCard = h("section", { class: "card", hidden: true }, h("h2", {}, "Turns"), this.#strip);
  #problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #trailNote = h("p", { class: "notice", hidden: true });
  #body = h("div", { class: "page", hidden: true });
  /** @type {Session | null} */
  #session = null;
  #stop = () => {};
  #asked = new AbortController();
  #timer = 0;

  connectedCallback() {
    this.className = "page";
    this.#body.replaceChildren(
      this.#clocks,
      this.#verbs,
      this.#stripCard,
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { class: "card flush", "aria-label": "Events" },
          h(
            "div",
            { class: "card-head" },
            h("h2", {}, "Events"),
            h("a", { class: "small", href: href(["audit", this.sessionId]) }, "In the trail"),
          ),
          this.#trailNote,
          this.#events,
        ),
        h("section", { class: "card" }, h("h2", {}, "Agreement"), this.#facts),
      ),
      h("section", { class: "card" }, h("h2", {}, "Ledger of a clock"), this.#ledger),
      h("details", { class: "card" }, h("summary", {}, "Raw JSON"), this.#json),
    );
    this.replaceChildren(
      h("div", { class: "page-head" }, h("div", {}, this.#name, this.#meta)),
      this.#problem,
      this.#body,
    );
    this.#verbs.addEventListener("changed", (event) => {
      const { session, serverTime: at } = /** @type {CustomEvent<import("../rpc/contract.js").SessionReply>} */ (event)
        .detail;
      if (session && number(session.version) > number(this.#session?.version)) this.#show(session, at);
    });
    this.#stop = feed.watch(this.sessionId, (message) => this.#take(message));
    this.#timer = setInterval(() => this.#drawStrip(), STRIP_MS);
    void this.#loadEvents();
  }

  disconnectedCallback() {
    this.#stop();
    this.#asked.abort();
    clearInterval(this.#timer);
  }

  /** @param {WatchMessage} message */
  #take(message) {
    const { event, snapshot, serverTime: at = "" } = message;
    if (snapshot) this.#show(snapshot, at);
    if (event) {
      this.#events.add([{ ...event, epoch: message.epoch ?? 0, version: message.version ?? 0 }]);
      if (event.session) this.#show(event.session, at);
      announce(headline(event));
      if (event.type === "EVENT_TYPE_SESSION_DELETED")
        this.#gone("The session was deleted. The trail keeps its history.");
    }
    if (message.gap) void this.#loadEvents();
    if (message.end?.reason === "END_REASON_NOT_FOUND")
      this.#gone("There is no such session in the store. The trail may know it.");
  }

  /** @param {string} text */
  #gone(text) {
    this.#problem.replaceChildren(`${text} `, h("a", { href: href(["audit", this.sessionId]) }, "Look there"));
    this.#problem.hidden = false;
    this.#verbs.clear();
  }

  /** @param {Session} session @param {string} at */
  #show(session, at) {
    if (
      this.#session &&
      String(session.epoch) === String(this.#session.epoch) &&
      number(session.version) < number(this.#session.version)
    )
      return;
    const isFirst = !this.#session;
    this.#session = session;
    this.#body.hidden = false;
    setText(this.#name, sessionName(session));
    if (isFirst) document.title = `${sessionName(session)} \u00b7 SyncKairos`;
    this.#meta.replaceChildren(
      statusPill(session.status),
      h("span", {}, title(session.mode, "MODE")),
      h("span", { class: "figures" }, `version ${number(session.version)}`),
      h("span", { class: "figures" }, `cycle ${number(session.cycleNumber)}`),
      h("span", { class: "mono small break" }, session.sessionId),
    );
    this.#clocks.update(session, at);
    this.#verbs.update(session);
    this.#facts.update(session);
    this.#ledger.update(session);
    setText(this.#json, JSON.stringify(session, null, 2));
    this.#drawStrip();
  }

  #drawStrip() {
    if (!this.#session || document.visibilityState === "hidden" || this.#strip.matches(":focus-within")) return;
    const strip = sessionStrip(this.#events.events, this.#session, serverTime.now());
    this.#stripCard.hidden = !strip;
    if (strip) this.#strip.replaceChildren(...drawStrip(strip, this.#strip.clientWidth));
  }

  /** What happened before this page was opened, as far as there is a trail. */
  async #loadEvents() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      let count = 0;
      for (let pageToken = ""; count < MOST_EVENTS; ) {
        const page = await listSessionEvents({ sessionId: this.sessionId, pageSize: 200, pageToken }, { signal });
        this.#events.add(page.events ?? []);
        count += page.events?.length ?? 0;
        pageToken = page.nextPageToken ?? "";
        if (!pageToken) break;
      }
      this.#trailNote.hidden = count < MOST_EVENTS;
      this.#trailNote.textContent = `Of what happened before, the first ${MOST_EVENTS} events are shown.`;
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#trailNote.hidden = false;
      this.#trailNote.textContent = "The trail cannot be read now: events are shown from here on.";
    }
    this.#drawStrip();
  }
}

customElements.define("session-page", SessionPage);
