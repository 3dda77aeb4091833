import { Code, ConnectError, type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  connect,
  EndReason,
  GapReason,
  SessionService,
  type SessionWatch,
  type SyncKairos,
  Unreachable,
  type WatchSessionRequest,
} from "../src/node.js";
import { Reader } from "./harness/reading.js";

const ID = "20000000-0000-4000-8000-000000000001";
const OTHER = "20000000-0000-4000-8000-000000000002";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

function clientOf(routes: (router: ConnectRouter) => void): SyncKairos {
  return connect(createRouterTransport(routes));
}

type Payload = NonNullable<Parameters<typeof frame>[1]>;

function frame(sessionId: string, payload: { case: "gap" | "end" | "tick" | "snapshot"; value: object }, token = "") {
  return { sessionId, resumeToken: token, payload: payload as never };
}

const tick: Payload = { case: "tick", value: {} };
const terminal: Payload = { case: "end", value: { reason: EndReason.TERMINAL } };

/** Wait until the signal of a stream is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

test("a stream that has fallen silent is opened again where it was", async () => {
  const requests: WatchSessionRequest[] = [];
  const client = clientOf(({ service }) =>
    service(SessionService, {
      async *watchSession(request, { signal }) {
        requests.push(request);
        yield frame(ID, requests.length === 1 ? tick : terminal, `token ${requests.length}`);
        if (requests.length === 1) {
          await aborted(signal);
        }
      },
    }),
  );
  const reader = new Reader(client.watch(ID));

  await vi.advanceTimersByTimeAsync(44_000);
  const before = requests.length;
  await vi.advanceTimersByTimeAsync(4_000);
  await reader.ended;

  expect(before).toBe(1);
  expect(requests.map((one) => one.resumeToken)).toEqual(["", "token 1"]);
  expect(requests[0]?.progressIntervalMs).toBe(15_000);
  expect(reader.kinds).toEqual(["tick", "end"]);
});

test("without a first message a stream gives up after ten seconds, with one never", async () => {
  let isUp = false;
  const client = clientOf(({ service }) =>
    service(SessionService, {
      async *watchSession() {
        if (isUp) {
          yield frame(ID, tick, "token");
        }
        throw new ConnectError("gone", Code.Unavailable);
      },
    }),
  );

  const hopeless = new Reader(client.watch(ID));
  await vi.advanceTimersByTimeAsync(13_000);
  isUp = true;
  const giveUp = new AbortController();
  const hopeful = new Reader(client.watch(ID, { signal: giveUp.signal }));
  await vi.advanceTimersByTimeAsync(100);
  isUp = false;
  await vi.advanceTimersByTimeAsync(120_000);
  isUp = true;
  await vi.advanceTimersByTimeAsync(2_000);
  giveUp.abort();

  await expect(hopeless.ended).resolves.toBeInstanceOf(Unreachable);
  await expect(hopeful.ended).resolves.toMatchObject({ name: "AbortError" });
  expect(hopeful.frames.length).toBeGreaterThan(1);
});

test("a drain is not shown, and waited for as long as the server asks", async () => {
  const opened: number[] = [];
  const client = clientOf(({ service }) =>
    service(SessionService, {
      async *watchSession() {
        opened.push(performance.now());
        const drain: Payload = { case: "end", value: { reason: EndReason.DRAINING, retryAfterMs: 3_000n } };
        yield frame(ID, opened.length === 1 ? drain : terminal);
      },
    }),
  );
  const reader = new Reader(client.watch(ID));

  await vi.advanceTimersByTimeAsync(5_000);
  await reader.ended;

  const waitedMs = (opened[1] ?? 0) - (opened[0] ?? 0);
  expect(reader.kinds).toEqual(["end"]);
  expect(waitedMs).toBeGreaterThanOrEqual(3_000);
  expect(waitedMs).toBeLessThanOrEqual(4_500);
});

test("one of many that cannot be shown now is watched again, though the others go on", async () => {
  const watches: SessionWatch[][] = [];
  const client = clientOf(({ service }) =>
    service(SessionService, {
      async *watchSessions(request, { signal }) {
        watches.push(request.watches);
        if (watches.length === 1) {
          yield frame(ID, tick, "mine");
          yield frame(OTHER, { case: "end", value: { reason: EndReason.UNAVAILABLE, retryAfterMs: 1_000n } });
          await aborted(signal);
        } else {
          yield { frames: [frame(ID, terminal), frame(OTHER, terminal)] };
        }
      },
    }),
  );
  const reader = new Reader(client.watchMany([ID, { sessionId: OTHER, resumeToken: "yours" }]));

  await vi.advanceTimersByTimeAsync(2_000);
  await reader.ended;

  const asked = watches.map((all) => all.map(({ sessionId, resumeToken }) => [sessionId, resumeToken]));
  expect(asked).toEqual([
    [
      [ID, ""],
      [OTHER, "yours"],
    ],
    [
      [ID, "mine"],
      [OTHER, "yours"],
    ],
  ]);
  expect(reader.kinds).toEqual(["tick", "end", "end"]);
});

test("a gap is shown once, and only to who has seen something before", async () => {
  let opened = 0;
  const gap: Payload = { case: "gap", value: { reason: GapReason.WINDOW_PASSED } };
  const client = clientOf(({ service }) =>
    service(SessionService, {
      async *watchSession() {
        opened++;
        if (opened === 1) {
          yield frame(ID, gap);
          yield frame(ID, { case: "snapshot", value: {} }, "first");
          yield frame(ID, gap);
          throw new ConnectError("gone", Code.Unavailable);
        }
        yield frame(ID, gap);
        yield frame(ID, { case: "snapshot", value: {} }, "token");
        yield frame(ID, gap);
        yield frame(ID, terminal);
      },
    }),
  );
  const reader = new Reader(client.watch(ID));

  await vi.advanceTimersByTimeAsync(1_000);
  await reader.ended;

  expect(reader.kinds).toEqual(["snapshot", "gap", "snapshot", "gap", "end"]);
});
