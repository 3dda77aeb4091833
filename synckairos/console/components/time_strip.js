// @ts-check
// Turns as a picture: a bar for each holder, its phases in colours, over the time that passed.
import { h, svg } from "../view/dom.js";
import { exact } from "../view/format.js";

/** @typedef {{row: number, fromMs: number, toMs: number, phase: string, words: string}} Span times from the beginning; phase `PAUSE` too */
/** @typedef {{row: number, atMs: number, text: string, widthMs: number}} Label widthMs: that of its turn */
/** @typedef {{names: string[], spans: Span[], flags: {row: number, atMs: number}[], labels?: Label[], endMs: number, words: string}} Strip */

const LEAST_WIDTH = 420,
  RIGHT = 16,
  TOP = 30,
  ROW = 54,
  BAR = 22,
  LETTER = 6.6,
  MOST_TICKS = 9;
const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400].map(
  (seconds) => seconds * 1000,
);
/** @type {[string, string][]} */
const LEGEND = [
  ["FREE", "free turn"],
  ["DELAY", "delay"],
  ["MAIN", "main time"],
  ["PERIOD", "period, block or time of the turn"],
  ["RESERVE", "reserve"],
  ["PENALTY", "below zero"],
  ["OVERTIME", "overtime"],
  ["PAUSE", "pause"],
  ["FLAG", "flag"],
];

/** The picture and what its colours mean. @param {Strip} strip @param {number} room how wide it may be, in px */
export function drawStrip({ names, spans, flags, labels = [], endMs, words }, room) {
  const width = Math.max(LEAST_WIDTH, Math.round(room));
  const left = Math.min(150, Math.max(...names.map((name) => Math.min(name.length, 18) * LETTER + 22)));
  const height = TOP + ROW * names.length + 6;
  const end = Math.max(endMs, 1);
  const x = (/** @type {number} */ ms) => left + ((width - left - RIGHT) * Math.min(Math.max(ms, 0), end)) / end;
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "strip", role: "img", "aria-label": words },
    ...ticks(end, height, width, x),
    ...names.flatMap((name, row) => [
      svg(
        "text",
        { x: 0, y: TOP + ROW * row + BAR - 6, class: "name" },
        name.length > 18 ? `${name.slice(0, 17)}\u2026` : name,
      ),
      svg("line", {
        x1: left,
        x2: width - RIGHT,
        y1: TOP + ROW * row + BAR / 2,
        y2: TOP + ROW * row + BAR / 2,
        class: "base",
      }),
    ]),
    ...spans.map(({ row, fromMs, toMs, phase, words: title }) =>
      svg(
        "rect",
        {
          x: x(fromMs).toFixed(1),
          y: TOP + ROW * row,
          width: Math.max(x(toMs) - x(fromMs), 0.6).toFixed(1),
          height: BAR,
          rx: 3,
          class: phase === "PAUSE" ? "pause" : "span",
          "data-phase": phase,
        },
        svg("title", {}, title),
      ),
    ),
    ...labels
      .filter(({ text, widthMs }) => text.length * LETTER <= x(widthMs) - left + 16)
      .map(({ row, atMs, text }) =>
        svg("text", { x: x(atMs).toFixed(1), y: TOP + ROW * row + BAR + 16, "text-anchor": "middle" }, text),
      ),
    ...flags.map(({ row, atMs }) =>
      svg(
        "path",
        {
          d: `M${x(atMs).toFixed(1)},${TOP + ROW * row + BAR + 2} v${-BAR - 12} l-12,5 l12,5`,
          class: "flag",
          stroke: "currentColor",
          "stroke-width": 0,
        },
        svg("title", {}, "flag"),
      ),
    ),
  );
  const used = new Set(spans.map((span) => span.phase).concat(flags.length ? ["FLAG"] : []));
  return [
    h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Picture of the turns" }, picture),
    h(
      "ul",
      { class: "legend", "aria-label": "Colours" },
      LEGEND.filter(([phase]) => used.has(phase)).map(([phase, text]) => h("li", { "data-phase": phase }, text)),
    ),
  ];
}

/** @param {number} end @param {number} height @param {number} width @param {(ms: number) => number} x */
function ticks(end, height, width, x) {
  const most = Math.max(3, Math.floor((MOST_TICKS * width) / 900));
  let step = STEPS_MS.find((one) => end / one <= most) ?? 86_400_000;
  while (end / step > most) step *= 2;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, place) => place * step).flatMap((at) => [
    svg("line", { x1: x(at), x2: x(at), y1: TOP - 8, y2: height, class: "grid" }),
    svg("text", { x: x(at), y: 14, "text-anchor": x(at) > width - 40 ? "end" : "middle" }, exact(at)),
  ]);
}
