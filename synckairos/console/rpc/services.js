// @ts-check
// The service's calls that the console makes.
import { call, stream } from "./connect.js";
import { RpcError } from "./errors.js";

/** @typedef {import("./contract.js").Session} Session */
/** @typedef {import("./contract.js").SessionReply} SessionReply */
/** @typedef {import("./contract.js").WatchMessage} WatchMessage */
/** @typedef {import("./connect.js").CallOptions} CallOptions */

const SESSIONS = "synckairos.v1.SessionService";
const AUDIT = "synckairos.v1.AuditService";
const CONTROLS = "synckairos.v1.TimeControlService";
const TIME = "synckairos.v1.TimeService";

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 150;

/**
 * Change a session: the same request is repeated while its outcome is open, and applied once.
 * @param {string} verb the call's name, such as `SwitchCycle`
 * @param {object} request without request_id
 * @returns {Promise<SessionReply>}
 */
export async function change(verb, request) {
  const sent = verb === "RecoverSession" ? request : { ...request, requestId: randomUuid() };
  const method = `${verb === "RecoverSession" ? AUDIT : SESSIONS}/${verb}`;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(method, sent);
    } catch (error) {
      if (!(error instanceof RpcError) || !error.isRetryable || attempt === ATTEMPTS) throw error;
      await pause(Math.max(error.retryAfterMs, FIRST_PAUSE_MS * 2 ** attempt * (0.5 + Math.random())));
    }
  }
}

/** @param {string} sessionId @param {CallOptions} [options] @returns {Promise<SessionReply>} */
export const getSession = (sessionId, options) => call(`${SESSIONS}/GetSession`, { sessionId }, options);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").SessionPage>} */
export const listSessions = (request, options) => call(`${SESSIONS}/ListSessions`, request, options);

/** @param {object} request @param {AbortSignal} signal @returns {AsyncGenerator<WatchMessage, void, void>} */
export const watchSessions = (request, signal) => stream(`${SESSIONS}/WatchSessions`, request, signal);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").EventPage>} */
export const listSessionEvents = (request, options) => call(`${AUDIT}/ListSessionEvents`, request, options);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").EventPage>} */
export const listParticipantEvents = (request, options) => call(`${AUDIT}/ListParticipantEvents`, request, options);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").AuditedPage>} */
export const listAuditedSessions = (request, options) => call(`${AUDIT}/ListAuditedSessions`, request, options);

/** @param {string} sessionId @param {CallOptions} [options] @returns {Promise<import("./contract.js").SessionAudit>} */
export const getSessionAudit = (sessionId, options) => call(`${AUDIT}/GetSessionAudit`, { sessionId }, options);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").Ledger>} */
export const explainClock = (request, options) => call(`${AUDIT}/ExplainClock`, request, options);

/** @param {CallOptions} [options] @returns {Promise<{status: import("./contract.js").PipelineStatus}>} */
export const getPipelineStatus = (options) => call(`${AUDIT}/GetPipelineStatus`, {}, options);

/** @param {string} text @param {CallOptions} [options] @returns {Promise<import("./contract.js").ParsedControl>} */
export const parseControl = (text, options) => call(`${CONTROLS}/ParseTimeControl`, { text }, options);

/** @param {object} request @param {CallOptions} [options] @returns {Promise<import("./contract.js").Simulation>} */
export const simulate = (request, options) => call(`${CONTROLS}/SimulateTimeControl`, request, options);

/** @param {AbortSignal} signal @returns {Promise<import("./contract.js").TimeSample>} */
export const syncTime = (signal) => call(`${TIME}/SyncTime`, {}, { signal, timeoutMs: 5_000 });

/** A time control as its text and in words. @param {import("./contract.js").TimeControl} timeControl @returns {Promise<import("./contract.js").ParsedControl>} */
export const printControl = (timeControl) => call(`${CONTROLS}/ParseTimeControl`, { timeControl });

/** Whether the server behind this page serves. @param {AbortSignal} signal */
export async function isServing(signal) {
  const response = await fetch("/healthz", { signal, credentials: "omit", cache: "no-store" });
  return response.ok;
}

/** A random UUID. Not crypto.randomUUID, which pages of other hosts than this machine have only over TLS. */
export function randomUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 15) | 64;
  bytes[8] = ((bytes[8] ?? 0) & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
