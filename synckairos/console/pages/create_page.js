// @ts-check
// A new session, from a form whose fields are the contract's.
import { ControlWords, PRESETS } from "../components/control_words.js";
import { ParticipantFields } from "../components/participant_fields.js";
import { labelsIn } from "../components/verb_fields.js";
import { describeError } from "../rpc/errors.js";
import { change, randomUuid } from "../rpc/services.js";
import { showFieldErrors } from "../view/dialogs.js";
import { choice, field, h } from "../view/dom.js";
import { go, href } from "../view/router.js";
import { MODES } from "./sessions_page.js";

/** @type {Record<string, string>} */
const MODE_WORDS = {
  PER_PARTICIPANT: "Everybody has a clock; the active one\u2019s runs. Chess, Go, board games.",
  PER_CYCLE: "Every cycle has the same fresh time. Quizzes, lots of an auction.",
  PER_GROUP: "Every group shares a clock. Debates, team games.",
  GLOBAL: "One countdown for all. Exams, auctions.",
  COUNT_UP: "One stopwatch for all. Races, calls.",
};
const ON_EXPIRE = /** @type {[string, string][]} */ ([
  ["", "As the mode has it"],
  ["END_SESSION", "End the session"],
  ["ELIMINATE", "Eliminate the holder"],
  ["ADVANCE", "Advance to the next cycle"],
  ["NOTIFY", "Notify, and run on"],
]);

/** Which fields a mode takes, by their names. @type {Record<string, string[]>} */
const USES = {
  PER_PARTICIPANT: ["time_control_text", "session_limit_ms"],
  PER_GROUP: ["time_control_text", "session_limit_ms"],
  PER_CYCLE: ["time_per_cycle_ms", "max_cycles", "session_limit_ms"],
  GLOBAL: ["total_time_ms", "soft_close"],
  COUNT_UP: ["max_time_ms"],
};

/** @param {string} name @param {string} value */
const seconds = (name, value = "") => h("input", { name, inputmode: "decimal", value, autocomplete: "off" });

/** `<create-page>` */
export class CreatePage extends HTMLElement {
  /** @param {URLSearchParams} [query] */
  constructor(query = new URLSearchParams()) {
    super();
    const mode = query.get("mode") ?? "PER_PARTICIPANT";
    this.inputs = {
      title: h("input", { name: "title", maxlength: "80", autocomplete: "off", value: query.get("title") ?? "" }),
      control: h("input", {
        name: "time_control_text",
        class: "mono",
        value: query.get("control") ?? "300|3x10",
        spellcheck: "false",
        autocomplete: "off",
      }),
      total: seconds("total_time_ms", "300"),
      cycle: seconds("time_per_cycle_ms", "30"),
      cycles: h("input", { name: "max_cycles", inputmode: "numeric", autocomplete: "off" }),
      most: seconds("max_time_ms"),
      limit: seconds("session_limit_ms"),
      close: h("input", { name: "close_at", type: "datetime-local", step: "1" }),
      idle: seconds("idle_ttl_ms"),
      warnings: h("input", { name: "warning_thresholds_ms", autocomplete: "off", placeholder: "60 10" }),
      labels: h("input", { name: "labels", autocomplete: "off", placeholder: "event=final, board=3" }),
      onExpire: choice({ name: "on_expire" }, ON_EXPIRE),
      soft: h("input", { name: "soft_close", inputmode: "decimal", autocomplete: "off" }),
      manual: h("input", { type: "checkbox", name: "manual_clock" }),
      start: h("input", { type: "checkbox", name: "start" }),
    };
    this.modes = MODES.map(([value, words]) =>
      h("input", {
        type: "radio",
        name: "mode",
        value,
        checked: value === mode,
        "aria-description": MODE_WORDS[value],
        "data-words": words,
      }),
    );
  }

  #words = new ControlWords();
  #people = new ParticipantFields();
  #modeWords = h("p", { class: "hint", "aria-live": "polite" });
  #problem = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #form = h("form", { class: "stack", novalidate: true });
  #submit = h("button", { type: "submit", class: "primary" }, "Create the session");
  // Pressing the button again after a lost answer creates nothing twice.
  #sessionId = randomUuid();

  connectedCallback() {
    this.className = "page";
    const {
      title,
      control,
      total,
      cycle,
      cycles,
      most,
      limit,
      close,
      idle,
      warnings,
      labels,
      onExpire,
      soft,
      manual,
      start,
    } = this.inputs;
    const presets = h(
      "div",
      { class: "chips", role: "group", "aria-label": "Common time controls" },
      PRESETS.map(([words, text]) =>
        h(
          "button",
          {
            type: "button",
            class: "chip",
            title: text,
            onclick: () => {
              control.value = text;
              this.#explain();
            },
          },
          words,
        ),
      ),
    );
    this.#form.replaceChildren(
      h(
        "section",
        { class: "card stack" },
        h(
          "fieldset",
          {},
          h("legend", {}, "Mode"),
          h(
            "div",
            { class: "chips" },
            this.modes.map((radio) => h("label", {}, radio, radio.dataset["words"])),
          ),
        ),
        this.#modeWords,
        h("div", { class: "form-grid" }, field("Title", title, { hint: "Kept as metadata; optional." })),
      ),
      h(
        "section",
        { class: "card control", "data-uses": "time_control_text" },
        h("h2", {}, "Time control"),
        field("Notation", control, { hint: "Empty: banks of seconds, below." }),
        presets,
        this.#words,
      ),
      h(
        "section",
        { class: "card", "data-uses": "total_time_ms time_per_cycle_ms max_time_ms" },
        h("h2", {}, "Time"),
        h(
          "div",
          { class: "form-grid" },
          uses("total_time_ms", field("Countdown in seconds", total)),
          uses("time_per_cycle_ms", field("Every cycle in seconds", cycle)),
          uses("max_cycles", field("Cycles", cycles, { hint: "Empty: no end." })),
          uses("max_time_ms", field("Limit in seconds", most, { hint: "Empty: none." })),
          uses("soft_close", field("A late bid leaves, in seconds", soft, { hint: "Empty: bids never move the end." })),
        ),
      ),
      h("section", { class: "card stack" }, h("h2", {}, "Participants"), this.#people),
      h(
        "details",
        { class: "card" },
        h("summary", {}, "More"),
        h(
          "div",
          { class: "inside stack" },
          h(
            "div",
            { class: "form-grid" },
            field("At zero", onExpire),
            field("Warnings, in seconds left", warnings, { hint: "Up to 10." }),
            uses("session_limit_ms", field("Ends after running, in seconds", limit)),
            field("Closes at", close, { hint: "No pause moves it." }),
            field("Idle time in seconds", idle, { hint: "Cancelled after so long without a call." }),
            field("Labels", labels),
          ),
          h("label", { class: "check" }, manual, "A clock of its own, for tests"),
        ),
      ),
      this.#problem,
      h("div", { class: "row" }, this.#submit, h("label", { class: "check" }, start, "and start it")),
    );
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      void this.#create();
    };
    this.#form.oninput = () => this.#adapt();
    control.addEventListener("input", () => this.#explain());
    this.replaceChildren(h("div", { class: "page-head" }, h("div", {}, h("h1", {}, "Create a session"))), this.#form);
    this.#adapt();
    this.#explain();
  }

  get #mode() {
    return this.modes.find((radio) => radio.checked)?.value ?? "PER_PARTICIPANT";
  }

  #explain() {
    this.#words.explain(this.inputs.control.value.trim());
    this.#adapt();
  }

  /** Show what the mode uses. */
  #adapt() {
    const used = USES[this.#mode] ?? [];
    for (const element of this.#form.querySelectorAll("[data-uses]")) {
      if (element instanceof HTMLElement)
        element.hidden = !(element.dataset["uses"] ?? "").split(" ").some((name) => used.includes(name));
    }
    this.#modeWords.textContent = MODE_WORDS[this.#mode] ?? "";
    this.#people.adapt(this.#mode, !!this.inputs.control.value.trim());
  }

  async #create() {
    this.#submit.disabled = true;
    this.#problem.hidden = true;
    try {
      const { session } = await change("CreateSession", this.#request());
      if (this.inputs.start.checked) await change("StartSession", { sessionId: session.sessionId });
      go(href(["sessions", session.sessionId]));
    } catch (error) {
      const details = this.#form.querySelector("details");
      if (details) details.open = true;
      if (!showFieldErrors(this.#form, error)) {
        this.#problem.textContent = describeError(error);
        this.#problem.hidden = false;
      }
    } finally {
      this.#submit.disabled = false;
    }
  }

  #request() {
    const { title, control, total, cycle, cycles, most, limit, close, idle, warnings, labels, onExpire, soft, manual } =
      this.inputs;
    const mode = this.#mode,
      used = USES[mode] ?? [];
    const ms = (/** @type {HTMLInputElement} */ input) =>
      used.includes(input.name) && input.value.trim() ? Math.round(Number(input.value) * 1000) : undefined;
    const hasControl = used.includes("time_control_text") && !!control.value.trim();
    return {
      sessionId: this.#sessionId,
      mode: `MODE_${mode}`,
      reason: "created in the console",
      ...this.#people.request(mode, hasControl),
      labels: labelsIn(labels.value),
      manualClock: manual.checked,
      ...(hasControl && { timeControlText: control.value.trim() }),
      ...(title.value.trim() && { metadata: { title: title.value.trim() } }),
      ...(onExpire.value && { onExpire: `ON_EXPIRE_${onExpire.value}` }),
      totalTimeMs: ms(total),
      timePerCycleMs: ms(cycle),
      maxTimeMs: ms(most),
      sessionLimitMs: ms(limit),
      maxCycles: used.includes("max_cycles") && cycles.value.trim() ? Number(cycles.value) : undefined,
      ...(close.value && { closeAt: new Date(close.value).toISOString() }),
      ...(idle.value.trim() && { idleTtlMs: Math.round(Number(idle.value) * 1000) }),
      warningThresholdsMs: warnings.value
        .split(/[\s,]+/)
        .filter(Boolean)
        .map((one) => Math.round(Number(one) * 1000)),
      ...(ms(soft) && { softClose: { windowMs: ms(soft), extendMs: ms(soft), policy: "SOFT_CLOSE_POLICY_RESET" } }),
    };
  }
}

customElements.define("create-page", CreatePage);

/** @param {string} name @param {HTMLElement} element */
function uses(name, element) {
  element.dataset["uses"] = name;
  return element;
}
