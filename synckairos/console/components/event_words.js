// @ts-check
// An event in words.
import { duration, exact, holderName, instantMs, number, signed, title } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Event} Event */
/** @typedef {import("../rpc/contract.js").Session} Session */

/** @type {Record<string, string>} */
const TONES = {
  EVENT_TYPE_SESSION_STARTED: "good",
  EVENT_TYPE_SESSION_RESUMED: "good",
  EVENT_TYPE_SESSION_COMPLETED: "good",
  EVENT_TYPE_CYCLE_SWITCHED: "turn",
  EVENT_TYPE_SESSION_PAUSED: "warn",
  EVENT_TYPE_TIME_ADJUSTED: "warn",
  EVENT_TYPE_OVERTIME_STARTED: "warn",
  EVENT_TYPE_SESSION_RECOVERED: "warn",
  EVENT_TYPE_SESSION_EXPIRED: "bad",
  EVENT_TYPE_PARTICIPANT_EXPIRED: "bad",
  EVENT_TYPE_SESSION_CANCELLED: "bad",
  EVENT_TYPE_SESSION_DELETED: "bad",
};

/** How it looks: good, warn, bad, turn or nothing. @param {Event} event */
export function toneOf(event) {
  return TONES[event.type] ?? "";
}

/** What happened, to whom. @param {Event} event @param {Session | undefined} session */
export function headline(event, session = event.session) {
  const who = session ? holderName(session, event) : "";
  return title(event.type, "EVENT_TYPE") + (who ? ` \u00b7 ${who}` : "");
}

/** Ms between the instant something was due and the one a server acted; NaN for calls. @param {Event} event */
export function latenessMs(event) {
  if (event.latenessMs !== undefined) return number(event.latenessMs);
  return event.firedAt ? Math.max(0, instantMs(event.firedAt) - instantMs(event.occurredAt)) : NaN;
}

/** What else it says, in a line. @param {Event} event */
export function detailsOf(event) {
  const { turn } = event;
  const late = latenessMs(event);
  const parts = [
    turn && `took ${exact(turn.spentMs)}`,
    turn && number(turn.grantedMs) && `${signed(turn.grantedMs)} granted`,
    turn?.creditedMs && number(turn.creditedMs) && `${exact(turn.creditedMs)} of lag credited`,
    turn?.periodsBurnt && `${turn.periodsBurnt} ${turn.periodsBurnt === 1 ? "period" : "periods"} burnt`,
    !turn && number(event.timeElapsedMs) > 0 && `after ${exact(event.timeElapsedMs)}`,
    event.timeRemainingMs !== undefined && `${exact(event.timeRemainingMs)} left`,
    number(event.extendedMs) > 0 && `end moved by ${duration(event.extendedMs)}`,
    number(event.advancedMs) > 0 && `clock advanced by ${duration(event.advancedMs)}`,
    event.cause && event.cause !== "CAUSE_CALL" && `cause: ${title(event.cause, "CAUSE").toLowerCase()}`,
    !Number.isNaN(late) && `${duration(late)} late`,
    event.actor && `by ${event.actor}${event.onBehalfOf ? ` for ${event.onBehalfOf}` : ""}`,
    event.reason && `\u201c${event.reason}\u201d`,
  ];
  return parts.filter(Boolean).join(" \u00b7 ");
}
