import { readFileSync } from "node:fs";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { durationFromJson, factsFromJson, instantFromJson, type SessionJson } from "../src/clock/index.js";
import { clockOf, factsOf, GetSessionResponseSchema } from "../src/node.js";

const VECTORS = new URL("../../vectors/session_clock.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as {
  cases: { name: string; update: { serverTime: string; session: SessionJson } }[];
};

test("messages and their JSON say the same of every session", () => {
  const fromMessages = cases.map(({ update }) => {
    const { session, serverTime } = fromJson(GetSessionResponseSchema, update as unknown as JsonValue);
    return session && serverTime && factsOf(session, timestampMs(serverTime));
  });
  const read = cases.map(({ update }) => factsFromJson(update.session, update.serverTime));

  expect(fromMessages).toEqual(read);
});

test("what has no session has no clocks", () => {
  expect(clockOf({ payload: { case: "tick", value: {} } })).toBeUndefined();
});

test("instants and durations are read to the microsecond, and nothing else is", () => {
  expect(instantFromJson("2026-01-01T00:00:01.357250Z")).toBe(1_767_225_601_357.25);
  expect(instantFromJson("2026-01-01T02:00:01+02:00")).toBe(1_767_225_601_000);
  expect(durationFromJson("-1.500250s")).toBe(-1_500.25);
  expect(() => instantFromJson("yesterday")).toThrow(RangeError);
  expect(() => durationFromJson("3 min")).toThrow(RangeError);
});
