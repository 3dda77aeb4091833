import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import * as browser from "../src/browser.js";
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
  viewNow,
  type WatchSessionResponse,
  type WatchSessionsResponse,
} from "../src/node.js";
import { freePort, TestServer, until } from "./harness/processes.js";
import { Reader } from "./harness/reading.js";
import { started } from "./harness/sessions.js";

let server: TestServer;
/** Another server of the same store, which goes on while the first is down. */
let other: TestServer;
let client: SyncKairos;
let elsewhere: SyncKairos;
/** What a page has, through the gateway of the first server. */
let page: SyncKairos;

beforeAll(async () => {
  const http = `127.0.0.1:${await freePort()}`;
  [server, other] = await Promise.all([
    TestServer.started(inject("redisUrl"), "watching", { SYNCKAIROS_HTTP_LISTEN: http }),
    TestServer.started(inject("redisUrl"), "watching"),
  ]);
  client = connect(server.address);
  elsewhere = connect(other.address);
  page = browser.connect(`http://${http}`);
});

afterAll(async () => {
  client.close();
  elsewhere.close();
  await Promise.all([server.remove(), other.remove()]);
});

/** The versions that a reader was shown, as snapshots and events. */
function versions(reader: Reader<WatchSessionResponse | WatchSessionsResponse>): bigint[] {
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
  const missing = randomUUID();
  const single = new Reader(client.watch(sessionId, { tickIntervalMs: 100 }));
  const many = new Reader(client.watchMany([sessionId, missing]));
  const ofPage = new Reader(page.watch(sessionId));
  const readers = [single, many, ofPage];
  await until(() => readers.every((one) => one.has(({ version }) => version === 2n)), "the snapshots");

  await client.switchCycle(sessionId);
  await server[end]();
  for (let turn = 0; turn < 5; turn++) {
    await elsewhere.switchCycle(sessionId);
  }
  await server.start();
  await page.switchCycle(sessionId);
  await client.completeSession(sessionId);
  await Promise.all(readers.map((one) => one.ended));

  const shown = [2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n];
  expect(readers.map(versions)).toEqual([shown, shown, shown]);
  expect(readers.flatMap((one) => one.kinds)).not.toContain("gap");
  expect(readers.map(({ kinds }) => kinds.filter((kind) => kind === "end").length)).toEqual([1, 2, 1]);
  const [gone] = many.frames.filter((one) => one.sessionId === missing);
  expect(gone?.payload.value).toMatchObject({ reason: EndReason.NOT_FOUND });
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

test("a page is told what went wrong as a backend is", async () => {
  const { sessionId } = await started(page);

  await expect(page.getSession(randomUUID())).rejects.toBeInstanceOf(SessionNotFound);
  await expect(page.pauseSession(sessionId, { expectedVersion: 7 })).rejects.toMatchObject({ expected: 7, actual: 2 });
});

test("what is drawn here is what the server answers, within the uncertainty of the clock", async () => {
  const { sessionId } = await started(page);
  const time = await page.syncClock();
  const drawn = clockOf(await page.getSession(sessionId));

  const beforeMs = time.now();
  const answered = clockOf(await page.getSession(sessionId));
  const afterMs = time.now();
  const uncertaintyMs = time.uncertaintyMs();
  time.close();

  const answeredMs = answered?.session.serverTimeMs ?? Number.NaN;
  const exact = answered?.at(answeredMs).holders.map((one) => one.displayMs);
  expect(drawn?.at(answeredMs).holders.map((one) => one.displayMs)).toEqual(exact);
  // The server read its clock between the two, to the millisecond.
  expect(answeredMs).toBeGreaterThan(beforeMs - uncertaintyMs - 1);
  expect(answeredMs).toBeLessThan(afterMs + uncertaintyMs + 1);
  expect(drawn && viewNow(drawn, time).isDue).toBe(false);
});
