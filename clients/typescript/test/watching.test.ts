import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import {
  clockOf,
  connect,
  EndReason,
  EventType,
  GapReason,
  Mode,
  type SessionClock,
  SessionNotFound,
  type SyncKairos,
  type WatchSessionResponse,
} from "../src/node.js";
import { TestServer, until } from "./harness/processes.js";
import { Reader } from "./harness/reading.js";
import { started } from "./harness/sessions.js";

let server: TestServer;
/** Another server of the same store, which goes on while the first is down. */
let other: TestServer;
let client: SyncKairos;
let elsewhere: SyncKairos;

beforeAll(async () => {
  [server, other] = await Promise.all([
    TestServer.started(inject("redisUrl"), "watching"),
    TestServer.started(inject("redisUrl"), "watching"),
  ]);
  client = connect(server.address);
  elsewhere = connect(other.address);
});

afterAll(async () => {
  client.close();
  elsewhere.close();
  await Promise.all([server.remove(), other.remove()]);
});

/** The versions that a reader was shown, as snapshots and events. */
function versions(reader: Reader<WatchSessionResponse>): bigint[] {
  return reader.frames
    .filter(({ payload }) => payload.case === "event" || payload.case === "snapshot")
    .map((one) => one.version);
}

test("a session is watched from its snapshot to its end", async () => {
  const { sessionId } = await started(client);
  const reader = new Reader(client.watch(sessionId));
  await until(() => reader.has(({ payload }) => payload.case === "snapshot"), "a snapshot");

  await client.switchCycle(sessionId);
  await client.completeSession(sessionId);
  await reader.ended;

  expect(reader.kinds.filter((kind) => kind !== "phase")).toEqual(["snapshot", "event", "event", "end"]);
  expect(versions(reader)).toEqual([2n, 3n, 4n]);
  expect(reader.frames.at(-1)?.payload.value).toMatchObject({ reason: EndReason.TERMINAL });
});

test.each(["kill", "stop"] as const)("no version is missing or doubled after %s and restart", async (end) => {
  const { sessionId } = await started(client);
  const reader = new Reader(client.watch(sessionId, { tickIntervalMs: 100 }));
  await until(() => reader.has((one) => one.version === 2n), "the snapshot");
  await client.switchCycle(sessionId);
  await server[end]();
  for (let turn = 0; turn < 5; turn++) {
    await elsewhere.switchCycle(sessionId);
  }
  await server.start();
  await client.switchCycle(sessionId);
  await client.completeSession(sessionId);

  await reader.ended;

  expect(versions(reader)).toEqual(Array.from({ length: 9 }, (_, place) => BigInt(place + 2)));
  expect(reader.kinds).not.toContain("gap");
  expect(reader.kinds.filter((kind) => kind === "end")).toHaveLength(1);
});

test("a gap is shown where history was lost, and the snapshot after it", async () => {
  const { sessionId } = await started(client);
  const reader = new Reader(client.watch(sessionId));
  await until(() => reader.has((one) => one.version === 2n), "the snapshot");
  await server.kill();
  for (let turn = 0; turn < 20; turn++) {
    await elsewhere.switchCycle(sessionId);
  }

  await server.start();
  await until(() => reader.has((one) => one.version === 22n), "the second snapshot");
  await client.cancelSession(sessionId);
  await reader.ended;

  const told = reader.frames.filter(({ payload }) => payload.case !== "phase");
  expect(told.map(({ payload }) => payload.case)).toEqual(["snapshot", "gap", "snapshot", "event", "end"]);
  expect(told[1]?.payload.value).toMatchObject({ reason: GapReason.WINDOW_PASSED });
});

test("many sessions are watched over one stream, each to its own end", async () => {
  const sessions = await Promise.all([started(client), started(client), started(client)]);
  const ids = sessions.map((one) => one.sessionId);
  const missing = randomUUID();
  const reader = new Reader(client.watchMany([...ids, missing]));
  await until(() => ids.every((id) => reader.has((one) => one.sessionId === id)), "three snapshots");
  await server.kill();
  await Promise.all(ids.map((id) => elsewhere.switchCycle(id)));
  await server.start();
  await Promise.all(ids.map((id) => client.completeSession(id)));

  await reader.ended;

  for (const id of ids) {
    const own = reader.frames.filter((one) => one.sessionId === id && one.payload.case !== "phase");
    expect(own.map((one) => one.payload.case)).toEqual(["snapshot", "event", "event", "end"]);
    expect(own.map((one) => one.version)).toEqual([2n, 3n, 4n, 4n]);
  }
  const [gone] = reader.frames.filter((one) => one.sessionId === missing);
  expect(gone?.payload.value).toMatchObject({ reason: EndReason.NOT_FOUND });
});

test("a stream goes on from a token, and shows progress only to whoever asks for it", async () => {
  const { sessionId } = await started(client);
  const first = new Reader(client.watch(sessionId));
  await until(() => first.has((one) => one.version === 2n), "the snapshot");
  const resumeToken = first.frames.at(-1)?.resumeToken;
  await client.pauseSession(sessionId);

  const second = new Reader(client.watch(sessionId, { resumeToken, progressIntervalMs: 100 }));
  await until(() => second.has(({ payload }) => payload.case === "progress"), "progress");
  await client.deleteSession(sessionId);
  await Promise.all([first.ended, second.ended]);

  const events = second.frames.filter(({ payload }) => payload.case === "event").map(({ payload }) => payload.value);
  expect(events).toMatchObject([{ type: EventType.SESSION_PAUSED }, { type: EventType.SESSION_DELETED }]);
  expect(second.kinds[0]).toBe("event");
  expect(first.kinds).not.toContain("progress");
});

test("a session that is not there is an error, and a signal an end", async () => {
  const { sessionId } = await started(client);
  const enough = new AbortController();
  const reader = new Reader(client.watch(sessionId, { signal: enough.signal }));
  await until(() => reader.frames.length > 0, "a message");

  enough.abort(new Error("enough"));
  const nowhere = new Reader(client.watch(randomUUID()));

  await expect(reader.ended).resolves.toMatchObject({ message: "enough" });
  await expect(nowhere.ended).resolves.toBeInstanceOf(SessionNotFound);
});

test("the clocks of every message show what the server answers", async () => {
  const participants = [{ participantId: randomUUID() }, { participantId: randomUUID() }];
  const game = { mode: Mode.PER_PARTICIPANT, timeControlText: "10|2x5", participants, manualClock: true };
  const { session } = await client.createSession(game);
  const sessionId = session?.sessionId ?? "";
  const begun = await client.startSession(sessionId);
  await client.advanceClock(sessionId, { byMs: 12_345 });

  const drawn = clockOf(begun) as SessionClock;
  const read = clockOf(await client.getSession(sessionId)) as SessionClock;
  const readMs = read.session.serverTimeMs;

  expect(readMs - drawn.session.serverTimeMs).toBe(12_345);
  expect(read.at(readMs)).toEqual(drawn.at(readMs));
  expect(read.at(readMs).holders[0]).toMatchObject({ phase: "PERIOD", displayMs: 2_655, periodsLeft: 2 });
});
