/** Plays examples/scenario.json against a server and prints what it sees: play.js ADDRESS SESSION_ID. */

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { DescEnum } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/es/google/rpc/error_details_pb.js";
import { EndReasonSchema, EventTypeSchema } from "./gen/es/synckairos/v1/event_pb.js";
import { Mode, type Session, StatusSchema } from "./gen/es/synckairos/v1/session_pb.js";
import { SessionService, type WatchSessionResponse } from "./gen/es/synckairos/v1/session_service_pb.js";
import { ClockPhaseKindSchema } from "./gen/es/synckairos/v1/time_control_pb.js";

type Sessions = Client<typeof SessionService>;

interface Scenario {
  time_control: string;
  tick_interval_ms: number;
  participants: string[];
  turns: { spend_ms: number; send_again?: boolean; drop_stream?: boolean; resume_stream?: boolean }[];
}

/** Makes calls again as the service config would have it, which Connect does not read; streams are resumed instead. */
const retries: Interceptor = (next) => async (request) => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await next(request);
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      const passes = error.code === Code.Unavailable || (error.code === Code.Canceled && !request.signal.aborted);
      if (request.stream || !passes || attempt === 4) {
        throw error;
      }
      const asked = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
      await pause(asked ? Number(asked.seconds) * 1_000 + asked.nanos / 1e6 : 100 * 2 ** attempt);
    }
  }
};

async function play(sessions: Sessions, sessionId: string, scenario: Scenario): Promise<void> {
  const created = await sessions.createSession({
    sessionId,
    requestId: randomUUID(),
    mode: Mode.PER_PARTICIPANT,
    participants: scenario.participants.map((participantId) => ({ participantId })),
    control: { case: "timeControlText", value: scenario.time_control },
    manualClock: true, // It stands until advanceClock moves it: every figure is exact.
  });
  let session = created.session!;
  show("created", session);
  const watch = new Watch(sessions, sessionId, scenario.tick_interval_ms);
  await watch.readTo(session.version);

  session = (await sessions.startSession({ sessionId, requestId: randomUUID() })).session!;
  show("started", session);
  await watch.readTo(session.version);

  for (const [place, turn] of scenario.turns.entries()) {
    if (turn.drop_stream) {
      console.log("the stream is dropped");
      watch.drop();
    }
    const advance = { sessionId, requestId: randomUUID(), byMs: BigInt(turn.spend_ms) };
    await watch.readTo((await sessions.advanceClock(advance)).session!.version, true);

    // Too late, this is refused instead of ending another turn; sent again, it is applied once.
    const move = { sessionId, requestId: randomUUID(), expectedActiveParticipantId: session.activeParticipantId };
    session = (await sessions.switchCycle(move)).session!;
    show(`turn ${place + 1}`, session);
    if (turn.send_again) {
      const again = await sessions.switchCycle(move);
      console.log(`sent again: replayed ${again.replayed}, version ${again.session!.version}`);
    }
    if (turn.resume_stream) {
      console.log("the stream is resumed");
      watch.open();
    }
    await watch.readTo(session.version);
  }

  const waiting = scenario.participants[1]!;
  await showRefusal(sessions.createSession({ mode: Mode.PER_PARTICIPANT, totalTimeMs: 1n }));
  await showRefusal(sessions.switchCycle({ sessionId, expectedVersion: 1n }));
  await showRefusal(sessions.switchCycle({ sessionId, expectedActiveParticipantId: waiting }));

  session = (await sessions.completeSession({ sessionId, requestId: randomUUID() })).session!;
  show("completed", session);
  await watch.readTo(session.version + 1n); // There is none: this reads to the end.
}

/** Follows a session over as many streams as it takes, without a hole. */
class Watch {
  #version = 0n; // of what was told last
  #token = ""; // where the next stream goes on
  #stream: AsyncIterator<WatchSessionResponse> | undefined;
  #stopped = new AbortController();

  constructor(
    private readonly sessions: Sessions,
    private readonly sessionId: string,
    private readonly tickIntervalMs: number,
  ) {
    this.open();
  }

  open(): void {
    const { sessionId, tickIntervalMs } = this;
    this.#stopped = new AbortController();
    const request = { sessionId, tickIntervalMs, resumeToken: this.#token };
    const stream = this.sessions.watchSession(request, { signal: this.#stopped.signal, timeoutMs: 0 });
    this.#stream = stream[Symbol.asyncIterator]();
  }

  drop(): void {
    this.#stopped.abort();
    this.#stream = undefined;
  }

  /** Show what comes up to a version, and a tick after it if wanted; a resumed stream repeats no tick. */
  async readTo(version: bigint, tick = false): Promise<void> {
    while (this.#stream && (this.#version < version || tick)) {
      const next = await this.#stream.next().catch((thrown) => ConnectError.from(thrown));
      if (next instanceof ConnectError) {
        if (![Code.Unavailable, Code.Canceled, Code.ResourceExhausted].includes(next.code)) {
          throw next;
        }
        await pause(100);
        this.open();
        tick = false;
        continue;
      }
      const update: WatchSessionResponse = next.value;
      this.#token = update.resumeToken || this.#token;
      tick &&= update.payload.case !== "tick";
      await this.#show(update);
      this.#version = update.version;
    }
  }

  async #show({ version, payload }: WatchSessionResponse): Promise<void> {
    switch (payload.case) {
      case "snapshot":
        console.log(`  snapshot of version ${version}`);
        break;
      case "event": {
        if (version !== this.#version + 1n) {
          throw new Error(`version ${version} comes after ${this.#version}`);
        }
        const { type, timeRemainingMs = 0n } = payload.value;
        console.log(`  event ${version}: ${nameOf(EventTypeSchema, type)}, ${timeRemainingMs} ms left`);
        break;
      }
      case "phase": {
        const { kind, periodsLeft } = payload.value.phase!;
        console.log(`  phase: ${nameOf(ClockPhaseKindSchema, kind)}, ${periodsLeft} periods left`);
        break;
      }
      case "tick":
        console.log(`  tick: ${payload.value.activeParticipantId} has ${payload.value.remainingMs! / 1_000n} s`);
        break;
      case "end":
        console.log(`  end: ${nameOf(EndReasonSchema, payload.value.reason)}`);
        this.drop();
        if (payload.value.retryAfterMs > 0n) {
          await pause(Number(payload.value.retryAfterMs)); // the server is stopping
          this.open();
        }
    }
  }
}

function nameOf(schema: DescEnum, number: number): string {
  return schema.value[number]?.name ?? `${number}`;
}

function show(what: string, session: Session): void {
  const clocks = session.participants.map((one) => `${one.timeRemainingMs} ms with ${one.clock?.periodsLeft} periods`);
  console.log(`${what}: version ${session.version}, ${[nameOf(StatusSchema, session.status), ...clocks].join(", ")}`);
}

/** Take an error apart by its details; its message is for people alone. */
async function showRefusal(call: Promise<unknown>): Promise<void> {
  const error = await call.then(() => undefined, ConnectError.from);
  const info = error?.findDetails(ErrorInfoSchema)[0];
  const metadata = Object.entries(info?.metadata ?? {}).sort();
  const fields = error?.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations) ?? [];
  const told = [info?.reason, ...metadata.map(([key, value]) => `${key}=${value}`), ...fields.map((one) => one.field)];
  console.log("refused:", told.join(" "));
}

const [address, sessionId] = process.argv.slice(2);
if (!address || !sessionId) {
  throw new Error("usage: play.js ADDRESS SESSION_ID");
}
const transport = createGrpcTransport({ baseUrl: `http://${address}`, interceptors: [retries], defaultTimeoutMs: 10_000 });
await play(createClient(SessionService, transport), sessionId, JSON.parse(await readFile("examples/scenario.json", "utf8")));
