// @ts-check
// What was agreed at the creation of a session, and what is due.
import { printControl } from "../rpc/services.js";
import { h } from "../view/dom.js";
import { dateTime, duration, groupName, number, participantName, timeOfDay, title } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */

/** What controls are called, by their JSON: they never change. @type {Map<string, Promise<string>>} */
const texts = new Map();

/** `<session-facts>`: give it a session by update(). */
export class SessionFacts extends HTMLElement {
  /** @param {Session} session */
  update(session) {
    /** @type {[string, string | Node | false | undefined][]} */
    const facts = [
      ...controlsOf(session),
      [
        "At zero",
        session.onExpire && session.onExpire !== "ON_EXPIRE_UNSPECIFIED" && title(session.onExpire, "ON_EXPIRE"),
      ],
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
      [
        "Labels",
        !!Object.keys(session.labels ?? {}).length &&
          Object.entries(session.labels ?? {})
            .map(([key, value]) => `${key} = ${value}`)
            .join(", "),
      ],
      ["Created", dateTime(session.createdAt)],
      ["Started", session.startedAt && dateTime(session.startedAt)],
      ["Ended", session.completedAt && dateTime(session.completedAt)],
    ];
    this.replaceChildren(
      h(
        "dl",
        { class: "facts" },
        facts.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
      ),
    );
  }
}

customElements.define("session-facts", SessionFacts);

/** The control of all holders, or of each. @param {Session} session @returns {[string, Node][]} */
function controlsOf(session) {
  const holders =
    session.mode === "MODE_PER_GROUP"
      ? (session.groups ?? []).map((one) => ({ name: groupName(session, one.groupId), control: one.timeControl }))
      : (session.participants ?? []).map((one) => ({
          name: participantName(session, one.participantId),
          control: one.timeControl,
        }));
  const controls = holders.flatMap(({ name, control }) => (control ? [{ name, key: JSON.stringify(control) }] : []));
  const isOne = controls.every(({ key }) => key === controls[0]?.key);
  return (isOne ? controls.slice(0, 1).map((one) => ({ ...one, name: "Control" })) : controls).map(({ name, key }) => [
    name,
    controlText(key),
  ]);
}

/** @param {string} key a control as JSON */
function controlText(key) {
  const element = h("span");
  const text =
    texts.get(key) ?? printControl(JSON.parse(key)).then((parsed) => `${parsed.text}\n${parsed.description}`);
  texts.set(key, text);
  text.then(
    (found) =>
      element.append(h("code", {}, found.split("\n")[0]), h("br"), h("span", { class: "quiet" }, found.split("\n")[1])),
    () => {
      texts.delete(key);
      element.append("cannot be written as a text");
    },
  );
  return element;
}
