// @ts-check
// Figures, instants and names as people read them.

/** @typedef {import("../rpc/contract.js").Int64} Int64 */
/** @typedef {import("../rpc/contract.js").Session} Session */

const SECOND_MS = 1000,
  MINUTE_MS = 60_000,
  HOUR_MS = 3_600_000,
  DAY_MS = 86_400_000;

/** @param {Int64 | null | undefined} value @returns {number} */
export function number(value) {
  return Number(value ?? 0);
}

/**
 * A clock's face: whole units, and tenths below an hour. It never shows more than is left, nor more than has passed.
 * @param {number} ms may be negative
 * @returns {{sign: string, units: string, tenths: string}}
 */
export function face(ms) {
  const tenths = Math.floor(Math.abs(ms) / 100);
  const whole = tenths * 100;
  const sign = ms < 0 && tenths > 0 ? "\u2212" : "";
  const days = Math.floor(whole / DAY_MS),
    hours = Math.floor((whole % DAY_MS) / HOUR_MS);
  const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS),
    seconds = Math.floor((whole % MINUTE_MS) / SECOND_MS);
  const tail = `${two(minutes)}:${two(seconds)}`;
  if (days) return { sign, units: `${days}d ${two(hours)}:${tail}`, tenths: "" };
  if (hours) return { sign, units: `${hours}:${tail}`, tenths: "" };
  return { sign, units: `${minutes}:${two(seconds)}`, tenths: `.${tenths % 10}` };
}

/** A clock's face as one text. @param {number} ms */
export function faceText(ms) {
  const { sign, units, tenths } = face(ms);
  return sign + units + tenths;
}

/** A duration to the millisecond: 9:53.2. @param {Int64 | null | undefined} value */
export function exact(value) {
  const ms = number(value);
  const rest = Math.abs(ms) % SECOND_MS;
  const { units } = face(Math.abs(ms));
  return (ms < 0 ? "\u2212" : "") + units + (rest ? `.${String(rest).padStart(3, "0")}`.replace(/0+$/, "") : "");
}

/** @param {Int64 | null | undefined} value */
export function signed(value) {
  return (number(value) > 0 ? "+" : "") + exact(value);
}

/** A duration in words for a setting: 5 min, 90 s. @param {Int64 | null | undefined} value */
export function duration(value) {
  const ms = number(value);
  for (const [unit, name] of /** @type {[number, string][]} */ ([
    [DAY_MS, "d"],
    [HOUR_MS, "h"],
    [MINUTE_MS, "min"],
    [SECOND_MS, "s"],
  ])) {
    if (ms >= unit && ms % unit === 0) return `${ms / unit} ${name}`;
  }
  return ms > MINUTE_MS ? exact(ms) : ms >= SECOND_MS ? `${ms / SECOND_MS} s` : `${Math.round(ms * 10) / 10} ms`;
}

/** Ms since 1970 of an RFC 3339 text, with its microseconds. @param {string | undefined} text */
export function instantMs(text) {
  if (!text) return NaN;
  const [, whole = "", fraction = "", zone = "Z"] = /^([^.Z+]*)(\.\d+)?(.*)$/.exec(text) ?? [];
  return Date.parse(whole + zone) + Number(fraction || 0) * 1000;
}

/** The time of day, to the millisecond, where this browser is. @param {string | undefined} text */
export function timeOfDay(text) {
  const at = instantMs(text);
  if (Number.isNaN(at)) return "";
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Day and time, where this browser is. @param {string | undefined} text */
export function dateTime(text) {
  const at = instantMs(text);
  if (Number.isNaN(at)) return "\u2013";
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `STATUS_RUNNING` as `running`. @param {string | undefined} value @param {string} prefix */
export function word(value, prefix) {
  return (value ?? "").replace(`${prefix}_`, "").toLowerCase().replace(/_/g, " ");
}

/** The same with a capital. @param {string | undefined} value @param {string} prefix */
export function title(value, prefix) {
  const text = word(value, prefix);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Enough of a UUID to tell it from its neighbours: its end, since the beginning of a UUIDv7 is the time. @param {string} id */
export function shortId(id) {
  return `\u2026${id.slice(-8)}`;
}

/** What people call something that has metadata. @param {Record<string, unknown> | undefined} metadata */
export function nameIn(metadata) {
  const name = metadata?.["name"] ?? metadata?.["title"];
  return typeof name === "string" ? name.slice(0, 80) : "";
}

/** @param {Session} session */
export function sessionName(session) {
  return nameIn(session.metadata) || session.labels?.["name"] || shortId(session.sessionId);
}

/** @param {Session} session @param {string} participantId */
export function participantName(session, participantId) {
  const place = session.participants?.findIndex((one) => one.participantId === participantId) ?? -1;
  const participant = session.participants?.[place];
  return nameIn(participant?.metadata) || (participant ? `Participant ${place + 1}` : shortId(participantId));
}

/** @param {Session} session @param {string} groupId */
export function groupName(session, groupId) {
  const place = session.groups?.findIndex((one) => one.groupId === groupId) ?? -1;
  return place < 0 ? shortId(groupId) : `Group ${place + 1}`;
}

/** Whose clock or turn something is about. @param {Session} session @param {{participantId?: string, groupId?: string}} about */
export function holderName(session, about) {
  if (about.participantId) return participantName(session, about.participantId);
  return about.groupId ? groupName(session, about.groupId) : "";
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}
