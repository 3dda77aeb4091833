import { expect, test } from "vitest";
import { Mode } from "../src/gen/synckairos/v1/session_pb.js";
import {
  AdjustTimeRequestSchema,
  CreateSessionRequestSchema,
  SwitchCycleRequestSchema,
} from "../src/gen/synckairos/v1/session_service_pb.js";
import { fromPlain, type PlainOf } from "../src/plain.js";

test("numbers, instants, oneofs and nested messages are what the contract wants", () => {
  const plain: PlainOf<typeof CreateSessionRequestSchema> = {
    mode: Mode.PER_PARTICIPANT,
    timeControlText: "600|5x30",
    closeAt: new Date(1_500),
    warningThresholdsMs: [1_000, 2n],
    metadata: { table: 4 },
    labels: { room: "a" },
    participants: [{ participantId: "x", timeControl: { stages: [{ baseMs: 5_000, byoYomi: { periodMs: 1_000 } }] } }],
  };

  const message = fromPlain(CreateSessionRequestSchema, plain);

  expect(message.control).toEqual({ case: "timeControlText", value: "600|5x30" });
  expect(message.closeAt).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  expect(message.warningThresholdsMs).toEqual([1_000n, 2n]);
  expect(message.metadata).toEqual({ table: 4 });
  const stage = message.participants[0]?.control.value;
  expect(stage).toMatchObject({
    stages: [{ baseMs: 5_000n, family: { case: "byoYomi", value: { periodMs: 1_000n } } }],
  });
});

test("a field that there is not is an error, as are two of one choice", () => {
  // @ts-expect-error the types say so as well
  const misspelt: PlainOf<typeof SwitchCycleRequestSchema> = { expectedVersoin: 3 };

  expect(() => fromPlain(SwitchCycleRequestSchema, misspelt)).toThrow(
    "SwitchCycleRequest has no field expectedVersoin",
  );
  expect(() => fromPlain(AdjustTimeRequestSchema, { deltaMs: 1, setMs: 2 })).toThrow("one of deltaMs and setMs");
});
