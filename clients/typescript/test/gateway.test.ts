import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { clockOf, connect, SessionNotFound, type SyncKairos, VersionConflict, viewNow } from "../src/browser.js";
import { freePort, TestServer, until } from "./harness/processes.js";
import { Reader } from "./harness/reading.js";
import { started } from "./harness/sessions.js";

let server: TestServer;
let page: SyncKairos;

beforeAll(async () => {
  const http = `127.0.0.1:${await freePort()}`;
  server = await TestServer.started(inject("redisUrl"), "gateway", { SYNCKAIROS_HTTP_LISTEN: http });
  page = connect(`http://${http}`);
});

afterAll(() => server.remove());

test("what browsers have calls, fails and watches as Node does, through a gateway that goes away", async () => {
  const { sessionId } = await started(page);
  const reader = new Reader(page.watch(sessionId));
  await until(() => reader.has((one) => one.version === 2n), "the snapshot");

  await expect(page.getSession(randomUUID())).rejects.toBeInstanceOf(SessionNotFound);
  await expect(page.pauseSession(sessionId, { expectedVersion: 7 })).rejects.toBeInstanceOf(VersionConflict);
  await page.switchCycle(sessionId);
  await server.kill();
  await server.start();
  await page.completeSession(sessionId);
  await reader.ended;

  const told = reader.frames.filter(({ payload }) => payload.case !== "phase");
  expect(told.map((one) => [one.payload.case, one.version])).toEqual([
    ["snapshot", 2n],
    ["event", 3n],
    ["event", 4n],
    ["end", 4n],
  ]);
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
