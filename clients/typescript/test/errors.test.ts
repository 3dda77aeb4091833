import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import {
  AuditUnavailable,
  connect,
  InvalidField,
  InvalidStateTransition,
  Mode,
  ParticipantNotFound,
  RequestIdReused,
  SessionAlreadyExists,
  SessionExpired,
  SessionNotFound,
  type SyncKairos,
  type SyncKairosError,
  TurnAdvanced,
  VersionConflict,
} from "../src/node.js";
import { created, started } from "./harness/sessions.js";

let client: SyncKairos;

beforeAll(() => {
  client = connect(inject("address"));
});

afterAll(() => client.close());

/** Return the error that a call ends with, which must be of this class. */
async function failure<Kind extends SyncKairosError>(
  call: Promise<unknown>,
  kind: new (...given: never[]) => Kind,
): Promise<Kind> {
  const error = await call.then(
    () => expect.fail("the call succeeded"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error as Kind;
}

test("a session that is not there", async () => {
  const sessionId = randomUUID();

  const error = await failure(client.getSession(sessionId), SessionNotFound);

  expect(error).toMatchObject({
    name: "SessionNotFound",
    codeName: "NOT_FOUND",
    reason: "SESSION_NOT_FOUND",
    sessionId,
  });
});

test("wrong fields are named, each by its path", async () => {
  const wrong = client.createSession({ mode: Mode.GLOBAL, totalTimeMs: 1, incrementMs: 5 });

  const error = await failure(wrong, InvalidField);

  expect(error.violations.map((one) => one.path).sort()).toEqual(["increment_ms", "total_time_ms"]);
  expect(error.codeName).toBe("INVALID_ARGUMENT");
});

test("a version that has passed tells the present one", async () => {
  const { sessionId } = await started(client);

  const error = await failure(client.pauseSession(sessionId, { expectedVersion: 1 }), VersionConflict);

  expect(error).toMatchObject({ expected: 1, actual: 2, codeName: "ABORTED" });
});

test("a turn that has passed tells whose it is", async () => {
  const session = await started(client);
  const [first, second] = session.participants.map((one) => one.participantId);
  await client.switchCycle(session.sessionId);

  const late = client.switchCycle(session.sessionId, { expectedActiveParticipantId: first });
  const error = await failure(late, TurnAdvanced);

  expect(error).toMatchObject({ active: second, expectedActive: first, expired: "" });
});

test("a request id is good for one request", async () => {
  const { sessionId } = await started(client);
  const requestId = randomUUID();
  await client.pauseSession(sessionId, { requestId, reason: "tea" });

  const again = await client.pauseSession(sessionId, { requestId, reason: "tea" });
  const error = await failure(client.pauseSession(sessionId, { requestId, reason: "coffee" }), RequestIdReused);

  expect(again.replayed).toBe(true);
  expect(error.reason).toBe("REQUEST_ID_REUSED");
});

test("what a state does not allow names state and verb", async () => {
  const { sessionId } = await created(client);

  const error = await failure(client.pauseSession(sessionId), InvalidStateTransition);

  expect(error).toMatchObject({ status: "PENDING", verb: "pause" });
});

test("an id that is taken, somebody who does not play, and a time that is up", async () => {
  const { sessionId } = await started(client);
  const next = randomUUID();
  const game = { mode: Mode.GLOBAL, totalTimeMs: 1_000, manualClock: true };
  const { session } = await client.createSession(game);
  const over = session?.sessionId ?? "";
  await client.startSession(over);
  await client.advanceClock(over, { byMs: 1_000 });

  await failure(client.createSession({ ...game, sessionId }), SessionAlreadyExists);
  const unknown = await failure(client.switchCycle(sessionId, { nextParticipantId: next }), ParticipantNotFound);
  const late = await failure(client.switchCycle(over), SessionExpired);

  expect(unknown.participantId).toBe(next);
  expect(late.sessionId).toBe(over);
});

test("what passes says when to come back, and is tried again until there is no time", async () => {
  const error = await failure(client.getSessionAudit(randomUUID(), { timeoutMs: 700 }), AuditUnavailable);

  expect(error).toMatchObject({ codeName: "UNAVAILABLE", retryAfterMs: 500 });
});
