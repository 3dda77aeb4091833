// @ts-check
// Trying out time controls: what a text means, and how turns would go.
import { ControlWords, PRESETS } from "../components/control_words.js";
import { drawStrip } from "../components/time_strip.js";
import { describeError, isAbort, RpcError } from "../rpc/errors.js";
import { simulate } from "../rpc/services.js";
import { field, h } from "../view/dom.js";
import { exact, instantMs, number } from "../view/format.js";
import { href, replaceAddress } from "../view/router.js";
import { addShortcuts } from "../view/shortcuts.js";

/** @typedef {import("../rpc/contract.js").ClockState} ClockState */
/** @typedef {import("../rpc/contract.js").Simulation} Simulation */
/** @typedef {import("../rpc/contract.js").TurnPlan} TurnPlan */
/** @typedef {import("../components/time_strip.js").Span} Span */

const WAIT_MS = 200;
const EXAMPLE = { control: "20|3x10", turns: "12 15 16 9 24 9 9 15 13", holders: "2" };

/** `<playground-page>` */
export class PlaygroundPage extends HTMLElement {
  /** @param {URLSearchParams} [query] */
  constructor(query = new URLSearchParams()) {
    super();
    this.control = h("input", {
      name: "control",
      class: "mono",
      value: query.get("control") ?? EXAMPLE.control,
      spellcheck: "false",
      autocomplete: "off",
    });
    this.turns = h("input", {
      name: "turns",
      class: "mono",
      value: query.get("turns") ?? EXAMPLE.turns,
      spellcheck: "false",
      autocomplete: "off",
      inputmode: "text",
    });
    this.holders = h("input", {
      name: "holders",
      type: "number",
      min: "1",
      max: "16",
      value: query.get("holders") ?? EXAMPLE.holders,
    });
  }

  #words = new ControlWords();
  #picture = h("div", { class: "stack tight" });
  #note = h("p", { class: "notice wrong", role: "alert", hidden: true });
  #rows = h("tbody");
  #table = h(
    "table",
    { class: "figures" },
    h("caption", { class: "hidden-visually" }, "Every turn, and the clock after it"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Turn", "Holder", "Spent", "Clock after it"].map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    this.#rows,
  );
  #asked = new AbortController();
  #timer = 0;
  #dropKeys = () => {};

  connectedCallback() {
    this.className = "page";
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
              this.control.value = text;
              this.#changed();
            },
          },
          words,
        ),
      ),
    );
    this.replaceChildren(
      h(
        "div",
        { class: "page-head" },
        h(
          "div",
          {},
          h("h1", {}, "Time controls"),
          h("p", {}, "Write a control, see what it means, and play turns with it. Nothing is stored."),
        ),
      ),
      h(
        "form",
        {
          class: "card control",
          "aria-label": "Time control",
          onsubmit: (/** @type {Event} */ event) => event.preventDefault(),
          oninput: () => this.#changed(),
        },
        field("Notation", this.control, {
          hint: "Seconds, or 90m, 1.5h. 300|3x10 is five minutes and three periods of ten seconds.",
        }),
        presets,
        this.#words,
        h(
          "div",
          { class: "form-grid long-first" },
          field("Turns, in seconds", this.turns, { hint: "Each holder in turn; 8@3+6 pauses for 6 s after 3." }),
          field("Holders", this.holders),
        ),
      ),
      this.#note,
      h("section", { class: "card" }, h("h2", {}, "How it goes"), this.#picture),
      h("section", { class: "card flush scroll-x" }, h("h2", {}, "Turn by turn"), this.#table),
    );
    this.#dropKeys = addShortcuts([{ keys: "/", words: "Write a notation", act: () => this.control.select() }]);
    this.#changed();
  }

  disconnectedCallback() {
    this.#dropKeys();
    clearTimeout(this.#timer);
    this.#asked.abort();
  }

  #changed() {
    this.#words.explain(this.control.value.trim());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#play(), WAIT_MS);
    replaceAddress(
      href(["playground"], { control: this.control.value, turns: this.turns.value, holders: this.holders.value }),
    );
  }

  async #play() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const plans = this.turns.value
        .trim()
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(planOf);
      const played = await simulate(
        { timeControlText: this.control.value.trim(), holders: Number(this.holders.value) || 0, turns: plans },
        { signal },
      );
      this.#note.hidden = true;
      this.#draw(played, plans);
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      // What is wrong with the notation stands below it already.
      const isNotation =
        error instanceof RpcError && error.fields.every(({ field: name }) => name.startsWith("time_control"));
      this.#note.hidden = isNotation && error instanceof RpcError && error.fields.length > 0;
      this.#note.textContent = describeError(error);
    }
  }

  /** @param {Simulation} played @param {TurnPlan[]} plans */
  #draw({ turns = [], flaggedHolder }, plans) {
    const names = Array.from(
      { length: Math.max(1, Number(this.holders.value) || 2) },
      (_, place) => `Holder ${place + 1}`,
    );
    /** @type {Span[]} */
    const spans = [];
    const flags = [],
      labels = [];
    let at = 0;
    for (const [place, turn] of turns.entries()) {
      const row = number(turn.holder),
        began = at,
        pauses = plans[place]?.pauses ?? [];
      const flagAt = turn.phasesPassed?.find((phase) => phase.kind === "CLOCK_PHASE_KIND_FLAG");
      const pausedMs = pauses
        .filter(({ startMs }) => number(startMs) < number(turn.spentMs) || !turn.flagged)
        .reduce((sum, { durationMs }) => sum + number(durationMs), 0);
      at += number(turn.spentMs) + pausedMs;
      const phases = (turn.phasesPassed ?? []).filter((phase) => phase.kind !== "CLOCK_PHASE_KIND_FLAG");
      phases.forEach((phase, index) => {
        const from = instantMs(phase.startsAt),
          to = index + 1 < phases.length ? instantMs(phases[index + 1]?.startsAt) : at;
        const kind = (phase.kind ?? "").replace("CLOCK_PHASE_KIND_", "");
        spans.push({
          row,
          fromMs: from,
          toMs: to,
          phase: kind,
          words: `${kind.toLowerCase()}, from ${exact(phase.displayMs)}`,
        });
      });
      spans.push(...pauseSpans(row, began, turn.spentMs, !!turn.flagged, pauses));
      if (turn.flagged) flags.push({ row, atMs: flagAt ? instantMs(flagAt.startsAt) : at });
      else labels.push({ row, atMs: (began + at) / 2, widthMs: at - began, text: clockWords(turn.clocks?.[row]) });
    }
    const end = flaggedHolder === undefined ? "nobody ran out" : `${names[flaggedHolder]} ran out`;
    this.#picture.replaceChildren(
      ...drawStrip(
        { names, spans, flags, labels, endMs: at, words: `${turns.length} turns of ${names.length} holders, ${end}` },
        this.#picture.clientWidth,
      ),
    );
    this.#rows.replaceChildren(
      ...turns.map((turn, place) =>
        h(
          "tr",
          {},
          h("td", {}, place + 1),
          h("td", {}, names[number(turn.holder)]),
          h("td", {}, exact(turn.spentMs)),
          h(
            "td",
            {},
            turn.flagged
              ? h("span", { class: "pill expired" }, "Flag")
              : clockWords(turn.clocks?.[number(turn.holder)]),
          ),
        ),
      ),
    );
  }
}

customElements.define("playground-page", PlaygroundPage);

/** A turn of `8@3+6`: eight seconds, with a pause of six after three. @param {string} text @returns {TurnPlan} */
function planOf(text) {
  const [spent = "", ...pauses] = text.split("@");
  const ms = (/** @type {string} */ seconds) => {
    const value = Math.round(Number(seconds) * 1000);
    if (!seconds || !Number.isFinite(value) || value < 0)
      throw new Error(`Turns: \u201c${text}\u201d is no turn such as 8 or 8@3+6`);
    return value;
  };
  return {
    spentMs: ms(spent),
    pauses: pauses.map((pause) => ({
      startMs: ms(pause.split("+")[0] ?? ""),
      durationMs: ms(pause.split("+")[1] ?? ""),
    })),
  };
}

/** @param {number} row @param {number} began @param {import("../rpc/contract.js").Int64 | undefined} spentMs @param {boolean} flagged @param {{startMs?: import("../rpc/contract.js").Int64, durationMs?: import("../rpc/contract.js").Int64}[]} pauses @returns {Span[]} */
function pauseSpans(row, began, spentMs, flagged, pauses) {
  let shift = 0;
  return pauses
    .filter(({ startMs }) => !flagged || number(startMs) < number(spentMs))
    .map(({ startMs, durationMs }) => {
      const fromMs = began + number(startMs) + shift;
      shift += number(durationMs);
      return { row, fromMs, toMs: fromMs + number(durationMs), phase: "PAUSE", words: `pause of ${exact(durationMs)}` };
    });
}

/** What a clock has, as one text: 0:08 + 3 x 0:10. @param {ClockState | undefined} clock */
function clockWords(clock) {
  if (!clock) return "";
  const { bankMs, periodsLeft, periodRemainingMs, periodTurnsLeft, penaltyPoints } = clock;
  const parts = [];
  if (number(bankMs) || periodRemainingMs === undefined) parts.push(exact(bankMs));
  if (periodsLeft !== undefined) parts.push(`${periodsLeft} \u00d7 ${exact(periodRemainingMs)}`);
  else if (periodTurnsLeft !== undefined) parts.push(`${periodTurnsLeft} in ${exact(periodRemainingMs)}`);
  else if (periodRemainingMs !== undefined) parts.push(`${exact(periodRemainingMs)} a turn`);
  if (number(penaltyPoints)) parts.push(`${penaltyPoints} points`);
  return parts.join(" + ");
}
