/** From the contract's messages to the plain facts that clocks are computed from. */

import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { factsFromJson, type PhaseFacts, phaseFromJson, SessionClock, type SessionFacts } from "./clock/index.js";
import { type Session, SessionSchema } from "./gen/synckairos/v1/session_pb.js";
import { type ClockPhase, ClockPhaseSchema } from "./gen/synckairos/v1/time_control_pb.js";

/** A reply, or a message of a stream: whatever has a session and the instant it was computed for. */
export interface Update {
  readonly session?: Session | undefined;
  readonly serverTime?: Timestamp | undefined;
  readonly payload?: { readonly case: string | undefined; readonly value?: unknown };
}

/** Return the plain facts about a session that was computed for an instant, in ms since 1970. */
export function factsOf(session: Session, serverTimeMs: number): SessionFacts {
  const { metadata: _, labels: __, ...drawn } = toJson(SessionSchema, session) as JsonObject;
  return factsFromJson(drawn, new Date(serverTimeMs).toISOString());
}

/** Return a phase of a running clock as plain numbers. */
export function phaseOf(phase: ClockPhase): PhaseFacts {
  return phaseFromJson(toJson(ClockPhaseSchema, phase) as JsonObject);
}

/**
 * Return the clocks of the session that a reply, a `snapshot` or an `event` shows; undefined for other messages.
 *
 * Keep the latest: it says what every clock shows until the next version.
 */
export function clockOf(update: Update): SessionClock | undefined {
  const session = sessionOf(update);
  return session && update.serverTime && new SessionClock(factsOf(session, timestampMs(update.serverTime)));
}

function sessionOf(update: Update): Session | undefined {
  const { session, payload } = update;
  if (session !== undefined) {
    return session;
  }
  if (payload?.case === "snapshot") {
    return payload.value as Session;
  }
  return payload?.case === "event" ? (payload.value as { session?: Session }).session : undefined;
}
