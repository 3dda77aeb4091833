// @ts-check
// The fields that several verbs share: whom they are about, and texts that hold more than one value.
import { choice, field } from "../view/dom.js";
import { participantName } from "../view/format.js";

/** @typedef {import("../rpc/contract.js").Session} Session */

/** Labels of lines `key=value`. @param {string} text @returns {Record<string, string>} */
export function labelsIn(text) {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [
      line.split("=", 1)[0]?.trim() ?? "",
      line.includes("=") ? line.slice(line.indexOf("=") + 1).trim() : "",
    ]),
  );
}

/** @param {Session} session */
export function hasParticipants(session) {
  return !!session.participants?.length;
}

/** @param {Session} session */
export function hasControl(session) {
  return !!(session.participants?.some((one) => one.timeControl) || session.groups?.some((one) => one.timeControl));
}

/** @param {string} name @param {Session} session @param {string} [none] */
export function participants(name, session, none) {
  return choice({ name }, [
    ...(none ? [/** @type {[string, string]} */ (["", none])] : []),
    ...(session.participants ?? []).map(
      (one) => /** @type {[string, string]} */ ([one.participantId, participantName(session, one.participantId)]),
    ),
  ]);
}

/** @param {string} name @param {Session} session @param {string} [none] */
export function groups(name, session, none) {
  return choice({ name }, [
    ...(none ? [/** @type {[string, string]} */ (["", none])] : []),
    ...(session.groups ?? []).map(
      (one, place) => /** @type {[string, string]} */ ([one.groupId, `Group ${place + 1}`]),
    ),
  ]);
}

/** @param {Session} session */
export function clockHolders(session) {
  if (session.mode === "MODE_PER_PARTICIPANT") return [field("Whose clock", participants("holder", session))];
  return session.mode === "MODE_PER_GROUP" ? [field("Whose clock", groups("holder", session))] : [];
}
