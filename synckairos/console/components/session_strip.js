// @ts-check
// What happened to a session, as a picture: each event holds the phases that followed it, up to the next one.
import { exact, groupName, instantMs, number, participantName } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Event} Event */
/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("./time_strip.js").Span} Span */
/** @typedef {import("./time_strip.js").Strip} Strip */

const RUNNING = "STATUS_RUNNING",
  PAUSED = "STATUS_PAUSED";

/**
 * @param {Event[]} events of one life, oldest first @param {Session} session as it is
 * @param {number} nowMs the server's time
 * @returns {Strip | null} null before anything ran
 */
export function sessionStrip(events, session, nowMs) {
  const lived = events.filter(
    (event) => event.session && event.occurredAt && String(event.epoch) === String(session.epoch),
  );
  const began = lived.find((event) => event.session?.status === RUNNING);
  if (!began) return null;
  const startMs = instantMs(began.occurredAt);
  const rows = rowsOf(session);
  const last = lived.at(-1);
  const isOn = last?.session?.status === RUNNING || last?.session?.status === PAUSED;
  const endMs =
    isOn && !session.manualClock ? Math.max(nowMs, instantMs(last?.occurredAt)) : instantMs(last?.occurredAt);
  /** @type {Span[]} */
  const spans = [];
  lived.forEach((event, place) => {
    const next = lived[place + 1];
    if (event.session)
      spans.push(
        ...spansAfter(
          event.session,
          instantMs(event.occurredAt),
          next ? instantMs(next.occurredAt) : endMs,
          rows,
          startMs,
        ),
      );
  });
  const flags = lived
    .filter((event) => /_EXPIRED$/.test(event.type))
    .map((event) => ({
      row: rowOf(rows, event.participantId, event.groupId),
      atMs: instantMs(event.occurredAt) - startMs,
    }));
  const labels = lived
    .filter((event) => event.turn && event.timeRemainingMs !== undefined)
    .map((event) => ({
      row: rowOf(rows, event.participantId, event.groupId),
      atMs: instantMs(event.occurredAt) - startMs - number(event.turn?.spentMs) / 2,
      text: exact(event.timeRemainingMs),
      widthMs: number(event.turn?.spentMs),
    }));
  return {
    names: rows.map((row) => row.name),
    spans,
    flags,
    labels,
    endMs: Math.max(endMs - startMs, 1000),
    words: `Turns of ${rows.map((row) => row.name).join(", ")}`,
  };
}

/** @param {Session} session @param {number} fromMs @param {number} toMs @param {{id: string, name: string}[]} rows @param {number} startMs @returns {Span[]} */
function spansAfter(session, fromMs, toMs, rows, startMs) {
  const row = rowOf(rows, session.activeParticipantId, session.activeGroupId);
  if (session.status === PAUSED)
    return [
      {
        row,
        fromMs: fromMs - startMs,
        toMs: toMs - startMs,
        phase: "PAUSE",
        words: `pause of ${exact(Math.round(toMs - fromMs))}`,
      },
    ];
  if (session.status !== RUNNING) return [];
  const phases = session.phases?.length
    ? session.phases.map((phase) => ({
        atMs: instantMs(phase.startsAt),
        kind: (phase.kind ?? "").replace("CLOCK_PHASE_KIND_", ""),
      }))
    : [{ atMs: fromMs, kind: "MAIN" }];
  return phases.flatMap(({ atMs, kind }, place) => {
    const from = Math.max(atMs, fromMs),
      to = Math.min(phases[place + 1]?.atMs ?? Infinity, toMs);
    return to > from && kind !== "FLAG"
      ? [
          {
            row,
            fromMs: from - startMs,
            toMs: to - startMs,
            phase: kind,
            words: `${kind.toLowerCase()}, ${exact(Math.round(to - from))}`,
          },
        ]
      : [];
  });
}

/** @param {Session} session @returns {{id: string, name: string}[]} */
function rowsOf(session) {
  if (session.mode === "MODE_PER_GROUP")
    return (session.groups ?? []).map((one) => ({ id: one.groupId, name: groupName(session, one.groupId) }));
  const participants = (session.participants ?? [])
    .slice(0, 16)
    .map((one) => ({ id: one.participantId, name: participantName(session, one.participantId) }));
  return participants.length ? participants : [{ id: "", name: "Session" }];
}

/** @param {{id: string}[]} rows @param {string | undefined} participantId @param {string | undefined} groupId */
function rowOf(rows, participantId = "", groupId = "") {
  return Math.max(
    0,
    rows.findIndex((row) => row.id === (groupId || participantId)),
  );
}
