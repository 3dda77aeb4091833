// @ts-check
// A time control in words, as the user writes it: the service reads the notation, and points at what it cannot read.
import { describeError, isAbort, RpcError } from "../rpc/errors.js";
import { parseControl } from "../rpc/services.js";
import { h } from "../view/dom.js";
import { duration, number } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").ParsedControl} ParsedControl */
/** @typedef {import("../rpc/contract.js").TimeStage} TimeStage */

const WAIT_MS = 120;

/** Words and notation of common controls. @type {[string, string][]} */
export const PRESETS = [
  ["Go 5 min, 3\u00d710 s", "300|3x10"],
  ["Blitz 3+2", "180+2"],
  ["Rapid 15+10", "900+10"],
  ["Classical 40/90", "40/5400+30:1800+30"],
  ["Delay 5 s", "1500d5"],
  ["Canadian 10 min, 20/5 min", "600/20x300"],
  ["30 s a turn", "t30"],
  ["Poker 15 s + bank", "60t15"],
  ["Hourglass 2 min", "*120"],
  ["Scrabble 25 min", "1500p10/60-600"],
];

/** `<control-words>`: say the text by explain(). Dispatches `parsed` with the control, or with null. */
export class ControlWords extends HTMLElement {
  #timer = 0;
  #asked = new AbortController();

  connectedCallback() {
    this.classList.add("control-words");
    this.setAttribute("role", "status");
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    this.#asked.abort();
  }

  /** @param {string} text */
  explain(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#explain(text), WAIT_MS);
  }

  /** @param {string} text */
  async #explain(text) {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    if (!text)
      return this.#show(null, h("p", { class: "quiet" }, "Without a control every participant has a bank of seconds."));
    try {
      const parsed = await parseControl(text, { signal });
      this.#show(
        parsed,
        h("p", {}, parsed.description ?? ""),
        stages(parsed),
        parsed.text !== text && h("p", { class: "small quiet" }, "Canonical: ", h("code", {}, parsed.text)),
      );
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      const problem = (error instanceof RpcError && error.fields[0]?.description) || describeError(error);
      const position = /^at position (\d+)/.exec(problem)?.[1];
      this.#show(
        null,
        h("p", {}, problem),
        position !== undefined && h("pre", { "aria-hidden": "true" }, `${text}\n${" ".repeat(Number(position))}^`),
      );
      this.classList.add("wrong");
    }
  }

  /** @param {ParsedControl | null} parsed @param {...(Node | false)} content */
  #show(parsed, ...content) {
    this.classList.remove("wrong");
    this.replaceChildren(...content.filter((one) => one !== false));
    this.dispatchEvent(new CustomEvent("parsed", { detail: parsed }));
  }
}

customElements.define("control-words", ControlWords);

/** @param {ParsedControl} parsed */
function stages({ timeControl }) {
  const parts = (timeControl?.stages ?? []).map((stage, place, all) => [
    ...(all.length > 1 ? [["stage", String(place + 1)]] : []),
    ...partsOf(stage),
  ]);
  return h(
    "ul",
    { class: "stages" },
    parts.flat().map(([name, value]) => h("li", {}, `${name} `, h("b", {}, value))),
  );
}

/** @param {TimeStage} stage @returns {[string, string][]} */
function partsOf({ baseMs, turns, fischer, simpleDelay, bronstein, byoYomi, canadian, perTurn, hourglass, penalty }) {
  /** @type {[string, string | number | undefined | false][]} */
  const parts = [
    ["turns", turns],
    [perTurn ? "reserve" : "main time", number(baseMs) > 0 && duration(baseMs)],
    ["increment", fischer && duration(fischer.incrementMs)],
    ["cap", number(fischer?.capMs) > 0 && duration(fischer?.capMs)],
    ["delay", (simpleDelay || bronstein) && duration((simpleDelay ?? bronstein)?.delayMs)],
    ["periods", byoYomi && `${byoYomi.periods} \u00d7 ${duration(byoYomi.periodMs)}`],
    ["block", canadian && `${canadian.turns} turns in ${duration(canadian.periodMs)}`],
    ["every turn", perTurn && duration(perTurn.turnMs)],
    ["flows", hourglass && "to the others"],
    ["below zero", penalty && `${penalty.points ?? 0} points each ${duration(penalty.unitMs)}`],
    ["limit", number(penalty?.limitMs) > 0 && `\u2212${duration(penalty?.limitMs)}`],
  ];
  return parts.flatMap(([name, value]) => (value ? [/** @type {[string, string]} */ ([name, String(value)])] : []));
}
