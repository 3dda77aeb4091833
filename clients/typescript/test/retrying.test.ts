import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import * as browser from "../src/browser.js";
import { ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { AuditService, Contention, connect, OutcomeUnknown, SessionService, VersionConflict } from "../src/node.js";

type Implementation = Partial<ServiceImpl<typeof SessionService>>;

/** A client of a server that is only a few functions. */
function clientOf(
  sessions: Implementation,
  audit: Partial<ServiceImpl<typeof AuditService>> = {},
  token?: () => string,
) {
  const transport = createRouterTransport((router) => {
    router.service(SessionService, sessions);
    router.service(AuditService, audit);
  });
  return connect(transport, { token, actor: "umpire" });
}

/** An error as a server sends it. */
function refusal(code: Code, reason: string, retryMs?: number): ConnectError {
  const info = { desc: ErrorInfoSchema, value: { reason, domain: "synckairos.dev" } };
  const [seconds, nanos] = [BigInt(Math.trunc((retryMs ?? 0) / 1_000)), ((retryMs ?? 0) % 1_000) * 1e6];
  const retry = { desc: RetryInfoSchema, value: { retryDelay: { seconds, nanos } } };
  return new ConnectError("not now", code, undefined, retryMs === undefined ? [info] : [info, retry]);
}

test("a mutation keeps its request id over all attempts, and two have different ones", async () => {
  const ids: string[] = [];
  const client = clientOf({
    pauseSession(request) {
      ids.push(request.requestId);
      if (ids.length < 3) {
        throw refusal(Code.Unavailable, "OUTCOME_UNKNOWN", 1);
      }
      return { replayed: true };
    },
  });

  const reply = await client.pauseSession("a");
  await client.pauseSession("a");

  expect(reply.replayed).toBe(true);
  expect(ids).toHaveLength(4);
  expect(new Set(ids.slice(0, 3)).size).toBe(1);
  expect(ids[3]).not.toBe(ids[0]);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("contention is tried again, a conflict is not", async () => {
  let calls = 0;
  const client = clientOf({
    switchCycle() {
      calls++;
      throw refusal(Code.Aborted, calls < 2 ? "CONTENTION" : "VERSION_CONFLICT");
    },
  });

  await expect(client.switchCycle("a")).rejects.toBeInstanceOf(VersionConflict);

  expect(calls).toBe(2);
});

test("an error that a server repeats is given back after five attempts", async () => {
  let calls = 0;
  const client = clientOf({
    switchCycle() {
      calls++;
      throw refusal(Code.Unavailable, "OUTCOME_UNKNOWN", 1);
    },
  });

  await expect(client.switchCycle("a")).rejects.toBeInstanceOf(OutcomeUnknown);

  expect(calls).toBe(5);
});

test("the wait is at least what the server asks for", async () => {
  const calls: number[] = [];
  const client = clientOf({
    getSession() {
      calls.push(performance.now());
      if (calls.length === 1) {
        throw refusal(Code.Unavailable, "STORE_UNAVAILABLE", 300);
      }
      return {};
    },
  });

  await client.getSession("a");

  expect((calls[1] ?? 0) - (calls[0] ?? 0)).toBeGreaterThanOrEqual(299);
});

test("a wait that would outlast the call's time is not begun", async () => {
  const called = vi.fn(() => {
    throw refusal(Code.Aborted, "CONTENTION", 5_000);
  });
  const client = clientOf({ switchCycle: called });

  // Had it waited, the call's time would be up.
  await expect(client.switchCycle("a", {}, { timeoutMs: 4_000 })).rejects.toBeInstanceOf(Contention);

  expect(called).toHaveBeenCalledTimes(1);
});

test("a recovery, which has no request id, is made once", async () => {
  let calls = 0;
  const client = clientOf(
    {},
    {
      recoverSession() {
        calls++;
        throw refusal(Code.Unavailable, "AUDIT_UNAVAILABLE", 1);
      },
    },
  );

  await expect(client.recoverSession("a", {})).rejects.toMatchObject({ reason: "AUDIT_UNAVAILABLE" });

  expect(calls).toBe(1);
});

test("a signal ends a call, its waits too, with the signal's own reason", async () => {
  const giveUp = new AbortController();
  const called = vi.fn(() => {
    setTimeout(() => giveUp.abort(new Error("enough")), 5);
    throw refusal(Code.Unavailable, "STORE_UNAVAILABLE", 5_000);
  });
  const client = clientOf({ getSession: called });

  await expect(client.getSession("a", { signal: giveUp.signal })).rejects.toThrow("enough");

  expect(called).toHaveBeenCalledTimes(1);
});

test("a token is asked for anew for every call, and sent with the actor", async () => {
  const sent: (string | null)[][] = [];
  let count = 0;
  const client = clientOf(
    {
      getSession(_, { requestHeader }) {
        sent.push(["authorization", "x-actor", "x-request-id"].map((name) => requestHeader.get(name)));
        return {};
      },
    },
    {},
    () => (++count === 1 ? "first" : "Basic second"),
  );

  await client.getSession("a");
  await client.getSession("a", { callId: "seven" });

  expect(sent).toEqual([
    ["Bearer first", "umpire", null],
    ["Basic second", "umpire", "seven"],
  ]);
});

test("a reason that is not known is an error all the same", async () => {
  const client = clientOf({
    getSession() {
      throw refusal(Code.FailedPrecondition, "SOMETHING_NEW");
    },
  });

  const error = await client.getSession("a").catch((reason: unknown) => reason);

  expect(error).toMatchObject({ name: "SyncKairosError", codeName: "FAILED_PRECONDITION", reason: "SOMETHING_NEW" });
});

test("a token does not cross a network in the clear, unless that is allowed", () => {
  const url = "http://clocks.example.com:50051";

  expect(() => connect("clocks.example.com:50051", { token: "secret" })).toThrow("in the clear");
  expect(() => browser.connect(url, { token: "secret" })).toThrow("in the clear");
  expect(() => connect(url, { token: "secret", allowInsecureToken: true }).close()).not.toThrow();
});

test.each(["localhost:1", "http://[::1]:1", "https://clocks.example.com"])("a token may go to %s", (address) => {
  expect(() => connect(address, { token: "secret" }).close()).not.toThrow();
});
