// @ts-check
// How the deployment is doing, by what the contract tells: its lists, its streams, its trail's pipeline, its health.
import { SessionTable } from "../components/session_table.js";
import { SparkLine } from "../components/spark_line.js";
import { Activity } from "../live/activity.js";
import { serverTime } from "../live/page_services.js";
import { describeError, isAbort } from "../rpc/errors.js";
import { getPipelineStatus, isServing, listSessions } from "../rpc/services.js";
import { h, setText } from "../view/dom.js";
import { duration, number, title } from "../view/format.js";
import { href } from "../view/router.js";
import { STATUSES } from "./sessions_page.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("../rpc/contract.js").PipelineStatus} PipelineStatus */

const SECOND_MS = 1000,
  POLL_MS = 4_000;
const PAGE_SIZE = 500,
  MOST_COUNTED = 1_000,
  MOST_WATCHED = 500,
  SHOWN = 8;

/** A figure with words around it, and its last minutes. @param {string} name @param {number} [least] as of SparkLine */
function tile(name, least) {
  const value = h("span", { class: "value" }, "\u2013"),
    note = h("span", { class: "note" }),
    line = new SparkLine(least);
  const element = h(
    "div",
    { class: "tile" },
    h("dt", {}, name),
    h("dd", {}, h("div", {}, value), h("div", {}, note), line.element),
  );
  return {
    element,
    line,
    set: (/** @type {string} */ text, /** @type {string} */ more, isWrong = false) => {
      setText(value, text);
      setText(note, more);
      element.classList.toggle("wrong", isWrong);
    },
  };
}

/** What serves, as a line. @param {string} name @param {string} words @param {boolean} isWell */
function healthItem(name, words, isWell) {
  return h("li", {}, name, h("span", { class: `pill ${isWell ? "running" : "expired"}` }, words));
}

/** `<overview-page>` */
export class OverviewPage extends HTMLElement {
  #switches = tile("Switches a second");
  #changes = tile("Changes a second");
  #late = tile("Lateness", 10);
  #outbox = tile("Outbox", 10);
  #bar = h("div", { class: "states", role: "img" });
  #states = h("ul", { class: "state-list" });
  #counted = h("p", { class: "small quiet" });
  #health = "";
  #parts = h("ul", { class: "health" });
  #table = new SessionTable();
  #none = h(
    "p",
    { class: "empty", hidden: true },
    "No session is running. ",
    h("a", { href: href(["create"]) }, "Create one"),
  );
  #problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #activity = new Activity();
  #asked = new AbortController();
  #timers = [0, 0];
  /** @type {{at: number, written: number} | null} */
  #before = null;
  /** @type {PipelineStatus | null} */
  #pipeline = null;

  connectedCallback() {
    this.className = "page";
    this.replaceChildren(
      h(
        "div",
        { class: "page-head" },
        h("div", {}, h("h1", {}, "Overview"), h("p", {}, "What this deployment is doing now.")),
      ),
      this.#problem,
      h(
        "dl",
        { class: "tiles" },
        this.#switches.element,
        this.#changes.element,
        this.#late.element,
        this.#outbox.element,
      ),
      h(
        "div",
        { class: "columns even" },
        h(
          "section",
          { class: "card", "aria-label": "Sessions by state" },
          h("div", { class: "card-head" }, h("h2", {}, "Sessions by state"), this.#counted),
          this.#bar,
          this.#states,
        ),
        h("section", { class: "card" }, h("h2", {}, "This server"), this.#parts),
      ),
      h(
        "section",
        { class: "card flush" },
        h(
          "div",
          { class: "card-head" },
          h("h2", {}, "Running now"),
          h("a", { class: "small", href: href(["sessions"], { status: "RUNNING" }) }, "All running sessions"),
        ),
        this.#table,
        this.#none,
      ),
    );
    this.#asked = new AbortController();
    void this.#poll();
    this.#timers[0] = setInterval(() => document.visibilityState === "visible" && void this.#poll(), POLL_MS);
    this.#timers[1] = setInterval(() => this.#showActivity(), SECOND_MS);
  }

  disconnectedCallback() {
    this.#asked.abort();
    this.#activity.stop();
    this.#timers.forEach(clearInterval);
  }

  async #poll() {
    const { signal } = this.#asked;
    const results = await Promise.allSettled([
      this.#readSessions(signal),
      this.#readPipeline(signal),
      this.#readHealth(signal),
    ]);
    const failed = results.find((one) => one.status === "rejected" && !isAbort(one.reason));
    this.#showHealth();
    this.#problem.hidden = !failed;
    if (failed?.status === "rejected") this.#problem.textContent = describeError(failed.reason);
  }

  /** @param {AbortSignal} signal */
  async #readSessions(signal) {
    /** @type {Session[]} */
    const sessions = [];
    let pageToken = "",
      at = "";
    do {
      const page = await listSessions({ pageSize: PAGE_SIZE, pageToken }, { signal });
      sessions.push(...(page.sessions ?? []));
      pageToken = page.nextPageToken ?? "";
      at = page.serverTime ?? "";
    } while (pageToken && sessions.length < MOST_COUNTED);
    const running = sessions.filter((one) => one.status === "STATUS_RUNNING");
    this.#showStates(sessions, !!pageToken);
    this.#activity.follow(running.slice(0, MOST_WATCHED).map((one) => one.sessionId));
    this.#table.show(running.slice(0, SHOWN), at);
    this.#table.hidden = !running.length;
    this.#none.hidden = running.length > 0;
  }

  /** @param {Session[]} sessions @param {boolean} hasMore */
  #showStates(sessions, hasMore) {
    const counts = STATUSES.map((status) => ({
      status,
      count: sessions.filter((one) => one.status === `STATUS_${status}`).length,
    }));
    this.#bar.setAttribute(
      "aria-label",
      counts.map(({ status, count }) => `${title(status, "STATUS")}: ${count}`).join(", "),
    );
    this.#bar.replaceChildren(
      ...counts
        .filter(({ count }) => count)
        .map(({ status, count }) => {
          const part = h("i", { "data-status": status });
          part.style.flexGrow = String(count);
          return part;
        }),
    );
    this.#states.replaceChildren(
      ...counts.map(({ status, count }) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: href(["sessions"], { status }), "data-status": status },
            title(status, "STATUS"),
            h("b", {}, count.toLocaleString("en")),
          ),
        ),
      ),
    );
    setText(
      this.#counted,
      hasMore
        ? `the newest ${sessions.length.toLocaleString("en")}; there are more`
        : `${sessions.length.toLocaleString("en")} in the store`,
    );
  }

  /** @param {AbortSignal} signal */
  async #readPipeline(signal) {
    try {
      const { status } = await getPipelineStatus({ signal });
      this.#pipeline = status;
      this.#showPipeline(status);
    } catch (error) {
      if (isAbort(error)) throw error;
      this.#pipeline = null;
      this.#outbox.set("\u2013", "its length is not known now");
      this.#changes.set("\u2013", "by the audit trail, which cannot be read");
    }
  }

  /** @param {PipelineStatus} status */
  #showPipeline(status) {
    const at = performance.now(),
      written = number(status.written),
      before = this.#before;
    const rate =
      before && written >= before.written ? ((written - before.written) / (at - before.at)) * SECOND_MS : NaN;
    this.#before = { at, written };
    this.#changes.set(Number.isNaN(rate) ? "\u2013" : rate.toFixed(1), "written to the trail, of all sessions");
    if (!Number.isNaN(rate)) this.#changes.line.add(rate);
    const waiting = number(status.outboxLength);
    this.#outbox.line.add(waiting);
    const age = status.oldestAgeMs === undefined ? "" : `, the oldest ${duration(status.oldestAgeMs)}`;
    const problem = status.degradedReasons?.[0] ?? "";
    this.#outbox.set(
      waiting.toLocaleString("en"),
      problem || (waiting ? `changes on their way to the trail${age}` : "everything is in the trail"),
      !!status.degraded,
    );
  }

  /** @param {AbortSignal} signal */
  async #readHealth(signal) {
    this.#health = await isServing(signal).then(
      (isWell) => (isWell ? "Serving" : "Not serving"),
      (error) => {
        if (isAbort(error)) throw error;
        return "Unreachable";
      },
    );
  }

  #showHealth() {
    const offset = serverTime.isKnown ? `\u00b1${serverTime.uncertaintyMs.toFixed(1)} ms` : "not known yet";
    this.#parts.replaceChildren(
      healthItem("Sessions", this.#health, this.#health === "Serving"),
      this.#trail(),
      h("li", {}, "Its clock, as known here", h("span", { class: "figures quiet" }, offset)),
    );
  }

  #trail() {
    if (!this.#pipeline) return healthItem("Audit trail", "Cannot be read", false);
    return healthItem("Audit trail", this.#pipeline.degraded ? "Degraded" : "Serving", !this.#pipeline.degraded);
  }

  #showActivity() {
    const rate = this.#activity.switchesPerSecond;
    this.#switches.line.add(rate);
    this.#switches.set(rate.toFixed(1), `in the newest ${MOST_WATCHED} running sessions`);
    const late = this.#activity.lateness;
    this.#late.line.add(late?.medianMs ?? 0);
    if (late)
      this.#late.set(
        duration(late.medianMs),
        `median of ${late.count} deadlines this minute, most ${duration(late.mostMs)}`,
      );
    else this.#late.set("\u2013", "no deadline fell due this minute");
  }
}

customElements.define("overview-page", OverviewPage);
