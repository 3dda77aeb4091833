// @ts-check
// What can be done to a session: when, with which fields, and what is asked before.
import { change, randomUuid } from "../rpc/services.js";
import { choice, field, h } from "../view/dom.js";
import { participantName } from "../view/format.js";
import { clockHolders, groups, hasControl, hasParticipants, labelsIn, participants } from "./verb_fields.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/**
 * @typedef {object} Verb
 * @property {string} call the contract's name of it
 * @property {string} words
 * @property {string} key
 * @property {string[]} from the states it works in; empty: all
 * @property {(session: Session) => boolean} [applies]
 * @property {boolean} [isDangerous]
 * @property {boolean} [isMain] offered first where it applies
 * @property {(session: Session) => string} text
 * @property {(session: Session) => HTMLElement[]} [fields]
 * @property {(session: Session, read: (name: string) => string) => object} [request] beside session_id and reason
 * @property {boolean} [needsReason]
 * @property {boolean} [needsInput] its fields are what it is about
 */

const MS = 1000;
const LIVE = ["RUNNING", "PAUSED"];
const UNENDED = ["PENDING", ...LIVE];

/** @type {Verb[]} */
export const VERBS = [
  {
    call: "StartSession",
    words: "Start",
    key: "s",
    from: ["PENDING"],
    isMain: true,
    text: () => "The first clock begins to run.",
  },
  {
    call: "SwitchCycle",
    words: "Switch turn",
    key: "n",
    from: ["RUNNING"],
    isMain: true,
    text: (session) =>
      session.activeParticipantId
        ? `The turn of ${participantName(session, session.activeParticipantId)} ends.`
        : "This cycle ends and the next begins.",
    fields: (session) =>
      hasParticipants(session)
        ? [field("Next", participants("next_participant_id", session, "The next in rotation"))]
        : [],
    // The turn that the user saw: a call that comes too late ends no other one.
    request: (session, read) => ({
      nextParticipantId: read("next_participant_id"),
      expectedActiveParticipantId: session.activeParticipantId ?? "",
      expectedCycleNumber: session.cycleNumber ?? 0,
    }),
  },
  {
    call: "PauseSession",
    words: "Pause",
    key: "p",
    from: ["RUNNING"],
    text: () => "The clock stands; nothing is charged or counted.",
  },
  {
    call: "ResumeSession",
    words: "Resume",
    key: "p",
    from: ["PAUSED"],
    isMain: true,
    text: () => "The clock runs on from where it stood.",
  },
  {
    call: "AdjustTime",
    words: "Adjust time",
    key: "j",
    needsInput: true,
    from: UNENDED,
    needsReason: true,
    text: () => "Changes what is left on a clock. The trail keeps the reason.",
    fields: (session) => [
      ...clockHolders(session),
      field(
        "How",
        choice({ name: "how" }, [
          ["deltaMs", "Add (negative: take away)"],
          ["setMs", "Set to"],
          ["atLeastMs", "Raise to at least"],
          ["setPeriods", "Set periods left"],
        ]),
      ),
      field(
        "Seconds, or periods",
        h("input", { name: "amount", inputmode: "decimal", value: "60", autocomplete: "off" }),
      ),
    ],
    request: (session, read) => ({
      [session.mode === "MODE_PER_GROUP" ? "groupId" : "participantId"]: read("holder") || undefined,
      [read("how")]: Math.round(Number(read("amount")) * (read("how") === "setPeriods" ? 1 : MS)),
    }),
  },
  {
    call: "AdvanceClock",
    words: "Advance clock",
    key: "v",
    needsInput: true,
    from: UNENDED,
    applies: (session) => !!session.manualClock,
    isMain: true,
    text: () => "Moves the session\u2019s own clock; what falls due on the way happens.",
    fields: () => [
      field("Seconds", h("input", { name: "by_ms", inputmode: "decimal", value: "10", autocomplete: "off" })),
    ],
    request: (_, read) => ({ byMs: Math.round(Number(read("by_ms")) * MS) }),
  },
  {
    call: "AddParticipant",
    words: "Add participant",
    key: "+",
    needsInput: true,
    from: UNENDED,
    applies: (session) => session.mode !== "MODE_PER_GROUP" || !!session.groups?.length,
    text: () => "Joins last in the rotation.",
    fields: (session) => [
      field("Name", h("input", { name: "name", maxlength: "80", autocomplete: "off" })),
      field("Id", h("input", { name: "participant", class: "mono", value: randomUuid(), autocomplete: "off" })),
      ...(session.mode === "MODE_PER_GROUP" ? [field("Group", groups("group_id", session))] : []),
      ...(session.mode === "MODE_PER_PARTICIPANT" && !hasControl(session)
        ? [
            field(
              "Bank in seconds",
              h("input", { name: "total_time_ms", inputmode: "decimal", value: "300", autocomplete: "off" }),
            ),
          ]
        : []),
      ...(hasControl(session) && session.mode === "MODE_PER_PARTICIPANT"
        ? [
            field("Time control", h("input", { name: "time_control_text", class: "mono", autocomplete: "off" }), {
              hint: "Empty: that of the session.",
            }),
          ]
        : []),
    ],
    request: (_, read) => ({
      participant: {
        participantId: read("participant"),
        metadata: read("name") ? { name: read("name") } : undefined,
        groupId: read("group_id") || undefined,
        totalTimeMs: read("total_time_ms") ? Math.round(Number(read("total_time_ms")) * MS) : undefined,
        timeControlText: read("time_control_text") || undefined,
      },
    }),
  },
  {
    call: "RemoveParticipant",
    words: "Remove participant",
    key: "-",
    needsInput: true,
    from: UNENDED,
    applies: hasParticipants,
    isDangerous: true,
    text: () => "Leaves the rotation. If one holder is left of a started session, it is completed and that one wins.",
    fields: (session) => [field("Who", participants("participant_id", session))],
    request: (_, read) => ({ participantId: read("participant_id") }),
  },
  {
    call: "UpdateSession",
    words: "Metadata and labels",
    key: "m",
    needsInput: true,
    from: UNENDED,
    text: () => "Replaces both.",
    fields: (session) => [
      field(
        "Metadata as JSON",
        h(
          "textarea",
          { name: "metadata", class: "mono", rows: "5", spellcheck: "false" },
          JSON.stringify(session.metadata ?? {}, null, 2),
        ),
      ),
      field(
        "Labels, key=value a line",
        h(
          "textarea",
          { name: "labels", class: "mono", rows: "3", spellcheck: "false" },
          Object.entries(session.labels ?? {})
            .map(([key, value]) => `${key}=${value}`)
            .join("\n"),
        ),
      ),
    ],
    request: (_, read) => ({
      metadata: JSON.parse(read("metadata") || "{}"),
      labels: labelsIn(read("labels")),
      updateMask: "metadata,labels",
    }),
  },
  {
    call: "CompleteSession",
    words: "Complete",
    key: "e",
    from: LIVE,
    text: () => "Ends the session; a running turn is charged first.",
    fields: (session) =>
      hasParticipants(session)
        ? [
            field(
              "Winner",
              session.mode === "MODE_PER_GROUP"
                ? groups("winner_group_id", session, "Nobody")
                : participants("winner_participant_id", session, "Nobody"),
            ),
          ]
        : [],
    request: (_, read) => ({
      winnerParticipantId: read("winner_participant_id") || undefined,
      winnerGroupId: read("winner_group_id") || undefined,
    }),
  },
  {
    call: "CancelSession",
    words: "Cancel",
    key: "x",
    from: UNENDED,
    isDangerous: true,
    text: () => "Ends the session as cancelled; a running turn is charged first.",
  },
  {
    call: "DeleteSession",
    words: "Delete",
    key: "D",
    from: [],
    isDangerous: true,
    text: () => "Takes the session out of the store. The trail keeps its history; the id stays taken for 24 hours.",
  },
];

/** The verbs that a session can take now. @param {Session} session */
export function verbsFor(session) {
  const status = session.status.replace("STATUS_", "");
  return VERBS.filter((verb) => (!verb.from.length || verb.from.includes(status)) && (verb.applies?.(session) ?? true));
}

/**
 * Do it.
 * @param {Verb} verb @param {Session} session as the user saw it @param {(name: string) => string} read the fields
 */
export function perform(verb, session, read) {
  return change(verb.call, { sessionId: session.sessionId, reason: read("reason"), ...verb.request?.(session, read) });
}
