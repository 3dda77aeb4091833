import { randomUUID } from "node:crypto";
import { createRouterTransport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import * as browser from "../src/browser.js";
import {
  connect,
  type ExecuteCommandsRequest,
  Mode,
  SessionNotFound,
  SessionService,
  Status,
  type SyncKairos,
  Unsupported,
  VersionConflict,
} from "../src/node.js";
import { TestServer } from "./harness/processes.js";
import { started } from "./harness/sessions.js";

let client: SyncKairos;
/** A server that may be broken. */
let server: TestServer;
let own: SyncKairos;

beforeAll(async () => {
  client = connect(inject("address"));
  server = await TestServer.started(inject("redisUrl"), "commands");
  own = connect(server.address);
});

afterAll(async () => {
  client.close();
  own.close();
  await server.remove();
});

const COUNTDOWN = { mode: Mode.GLOBAL, totalTimeMs: 60_000 };

test("commands for a session are applied in the order given, and answered as calls are", async () => {
  const commands = client.commands();
  const ids = Array.from({ length: 100 }, () => randomUUID());

  const answers = ids.flatMap((sessionId) => [
    commands.createSession({ ...COUNTDOWN, sessionId }),
    commands.startSession(sessionId),
    commands.switchCycle(sessionId, { expectedVersion: 2 }),
    commands.getSession(sessionId),
  ]);
  const replies = await Promise.all(answers);
  await commands.close();

  const last = replies.filter((_, place) => place % 4 === 3).map((one) => one.session);
  expect(last.map((session) => session?.sessionId)).toEqual(ids);
  expect(new Set(last.map((session) => session?.version))).toEqual(new Set([3n]));
  expect(replies[0]?.$typeName).toBe("synckairos.v1.CreateSessionResponse");
});

test("a command that is refused fails alone, with the error of the call", async () => {
  const { sessionId } = await started(client);
  const commands = client.commands({ window: 2 });

  const [paused, late, unknown, resumed] = await Promise.allSettled([
    commands.pauseSession(sessionId),
    commands.switchCycle(sessionId, { expectedVersion: 1 }),
    commands.getSession(randomUUID()),
    commands.resumeSession(sessionId),
  ]);
  await commands.close();

  expect(paused.status).toBe("fulfilled");
  expect(late).toMatchObject({ reason: expect.any(VersionConflict) });
  expect(late).toMatchObject({ reason: { expected: 1, actual: 3 } });
  expect(unknown).toMatchObject({ reason: expect.any(SessionNotFound) });
  expect(resumed).toMatchObject({ value: { session: { status: Status.RUNNING } } });
});

test.each(["kill", "stop"] as const)("what has no answer at a %s is sent again, and applied once", async (end) => {
  const games = await Promise.all(Array.from({ length: 8 }, () => started(own)));
  const commands = own.commands({ window: 64, patienceMs: 120_000 });
  const turns = 40;

  const answers = games.map(({ sessionId }) => Array.from({ length: turns }, () => commands.switchCycle(sessionId)));
  await answers[0]?.[0];
  await server[end]();
  const whileDown = commands.getSession(games[0]?.sessionId ?? "");
  await server.start();
  const replies = await Promise.all(answers.map((one) => Promise.all(one)));
  await whileDown;
  await commands.close();

  const reached = replies.map((all) => all.map((one) => one.session?.version));
  expect(reached).toEqual(games.map(() => Array.from({ length: turns }, (_, place) => BigInt(place + 3))));
});

/** A server that holds every command back until it is asked to answer. */
function slowServer() {
  const requests: ExecuteCommandsRequest[] = [];
  let answer: () => void = () => {};
  const transport = createRouterTransport(({ service }) =>
    service(SessionService, {
      async *executeCommands(stream) {
        for await (const request of stream) {
          requests.push(request);
          await new Promise<void>((resolve) => {
            answer = resolve;
          });
          const ids = request.commands.length > 0 ? request.commands.map((one) => one.commandId) : [request.commandId];
          yield { outcomes: ids.map((commandId) => ({ commandId, outcome: { case: "result", value: {} } as const })) };
        }
      },
    }),
  );
  return { client: connect(transport), requests, answer: () => answer() };
}

/** Let everything that needs no real time come to its end. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("what is called together goes in one message, and no more than the window is without an answer", async () => {
  const slow = slowServer();
  const commands = slow.client.commands({ window: 3 });

  const answers = Array.from({ length: 5 }, () => commands.switchCycle("a"));
  await settled();
  const first = slow.requests.map((one) => one.commands.length);
  slow.answer();
  await settled();
  slow.answer();
  await Promise.all(answers);
  await commands.close();

  expect(first).toEqual([3]);
  expect(slow.requests.map((one) => one.commands.length)).toEqual([3, 2]);
  const ids = slow.requests.flatMap((one) =>
    one.commands.map(({ command }) => (command.value as { requestId: string }).requestId),
  );
  expect(new Set(ids).size).toBe(5);
});

test("a message stays below the limit of gRPC, whatever sessions hold", async () => {
  const slow = slowServer();
  const commands = slow.client.commands();
  const metadata = { text: "x".repeat(10_000) };
  const participants = Array.from({ length: 20 }, () => ({
    participantId: randomUUID(),
    metadata: { text: "y".repeat(990) },
  }));

  const answers = Array.from({ length: 40 }, () => commands.createSession({ ...COUNTDOWN, metadata, participants }));
  for (let turn = 0; turn < 4; turn++) {
    await settled();
    slow.answer();
  }
  await Promise.all(answers);
  await commands.close();

  expect(slow.requests.length).toBeGreaterThan(1);
  expect(Math.max(...slow.requests.map((one) => one.commands.length))).toBeLessThan(20);
});

test("signals end a command, or all of them", async () => {
  const slow = slowServer();
  const all = new AbortController();
  const one = new AbortController();
  const commands = slow.client.commands({ signal: all.signal });

  const ended = Promise.allSettled([commands.switchCycle("a", {}, { signal: one.signal }), commands.switchCycle("a")]);
  one.abort(new Error("this one"));
  await settled();
  all.abort(new Error("all of them"));

  expect(await ended).toMatchObject([{ reason: { message: "this one" } }, { reason: { message: "all of them" } }]);
  await commands.close();
  await expect(commands.switchCycle("a")).rejects.toThrow("all of them");
});

test("a browser is told that it cannot", async () => {
  const page = browser.connect(createConnectTransport({ baseUrl: "http://localhost:1" }));

  expect(() => page.commands()).toThrow(Unsupported);
});
