// @ts-check
// What was agreed at the creation of a session, and what is due.
import { h } from "../view/dom.js";
import { dateTime, duration, number, participantName, timeOfDay, title } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */

/** `<session-facts>`: give it a session by update(). */
export class SessionFacts extends HTMLElement {
  /** @param {Session} session */
  update(session) {
    /** @type {[string, string | Node | false | undefined][]} */
    const facts = [
      ["At zero", session.onExpire && session.onExpire !== "ON_EXPIRE_UNSPECIFIED" && title(session.onExpire, "ON_EXPIRE")],
      ["Next due", session.deadlineAt && timeOfDay(session.deadlineAt)],
      ["Winner", session.winnerParticipantId && participantName(session, session.winnerParticipantId)],
      ["Countdown", number(session.totalTimeMs) > 0 && duration(session.totalTimeMs)],
      ["Every cycle", number(session.timePerCycleMs) > 0 && duration(session.timePerCycleMs)],
      ["Cycles", number(session.maxCycles) > 0 && String(session.maxCycles)],
      ["Increment", number(session.incrementMs) > 0 && duration(session.incrementMs)],
      ["Most", number(session.maxTimeMs) > 0 && duration(session.maxTimeMs)],
      ["Ends after", number(session.sessionLimitMs) > 0 && duration(session.sessionLimitMs)],
      ["Closes at", session.closeAt && dateTime(session.closeAt)],
      ["Warnings", !!session.warningThresholdsMs?.length && session.warningThresholdsMs.map(duration).join(", ")],
      ["Late bids", !!session.softClose && "move the end"],
      ["Clock", !!session.manualClock && "manual: only AdvanceClock moves it"],
      ["Life", !!session.recovered && "brought back from the trail"],
      ["Labels", !!Object.keys(session.labels ?? {}).length && Object.entries(session.labels ?? {}).map(([key, value]) => `${key} = ${value}`).join(", ")],
      ["Created", dateTime(session.createdAt)],
      ["Started", session.startedAt && dateTime(session.startedAt)],
      ["Ended", session.completedAt && dateTime(session.completedAt)],
    ];
    this.replaceChildren(h("dl", { class: "facts" }, facts.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : []))));
  }
}

customElements.define("session-facts", SessionFacts);
