/** Plays examples/scenario.json against a server and prints what it sees: play.js ADDRESS SESSION_ID. */

import { readFile } from "node:fs/promises";
import {
  ClockPhaseKindSchema,
  connect,
  EndReasonSchema,
  EventTypeSchema,
  Mode,
  newRequestId,
  type Session,
  StatusSchema,
  type SyncKairos,
  SyncKairosError,
  type WatchSessionResponse,
} from "@synckairos/client";

interface Scenario {
  time_control: string;
  tick_interval_ms: number;
  participants: string[];
  turns: { spend_ms: number; send_again?: boolean; drop_stream?: boolean; resume_stream?: boolean }[];
}

/** Create a session, play its turns while watching it, make three mistakes, and complete it. */
async function play(client: SyncKairos, sessionId: string, scenario: Scenario): Promise<void> {
  const created = await client.createSession({
    sessionId,
    mode: Mode.PER_PARTICIPANT,
    participants: scenario.participants.map((participantId) => ({ participantId })),
    timeControlText: scenario.time_control,
    manualClock: true, // It stands until advanceClock moves it: every figure is exact.
  });
  let session = created.session!;
  show("created", session);
  const follower = new Follower(client, sessionId, scenario.tick_interval_ms);
  await follower.readTo(session.version);

  session = (await client.startSession(sessionId)).session!;
  show("started", session);
  await follower.readTo(session.version);

  for (const [place, turn] of scenario.turns.entries()) {
    if (turn.drop_stream) {
      console.log("the stream is dropped");
      await follower.drop();
    }
    const advanced = await client.advanceClock(sessionId, { byMs: turn.spend_ms });
    await follower.readTo(advanced.session!.version, true);

    // Too late, this is refused instead of ending another turn; sent again, it is applied once.
    const move = { expectedActiveParticipantId: session.activeParticipantId, requestId: newRequestId() };
    session = (await client.switchCycle(sessionId, move)).session!;
    show(`turn ${place + 1}`, session);
    if (turn.send_again) {
      const again = await client.switchCycle(sessionId, move);
      console.log(`sent again: replayed ${again.replayed}, version ${again.session!.version}`);
    }
    if (turn.resume_stream) {
      console.log("the stream is resumed");
      follower.resume();
    }
    await follower.readTo(session.version);
  }

  const waiting = scenario.participants[1]!;
  await showRefusal(client.createSession({ mode: Mode.PER_PARTICIPANT, totalTimeMs: 1 }));
  await showRefusal(client.switchCycle(sessionId, { expectedVersion: 1 }));
  await showRefusal(client.switchCycle(sessionId, { expectedActiveParticipantId: waiting }));

  session = (await client.completeSession(sessionId)).session!;
  show("completed", session);
  await follower.readTo(session.version + 1n); // There is none: this reads to the end.
}

/** Follows a session and shows what it is told; the watch itself outlives servers and connections. */
class Follower {
  #version = 0n; // of what was told last
  #resumeToken = "";
  #watch: AsyncGenerator<WatchSessionResponse> | undefined;

  constructor(
    private readonly client: SyncKairos,
    private readonly sessionId: string,
    private readonly tickIntervalMs: number,
  ) {
    this.resume();
  }

  /** Watch from where it left off, at first from a snapshot on. */
  resume(): void {
    const { tickIntervalMs } = this;
    this.#watch = this.client.watch(this.sessionId, { tickIntervalMs, resumeToken: this.#resumeToken });
  }

  async drop(): Promise<void> {
    await this.#watch?.return(undefined);
    this.#watch = undefined;
  }

  /** Show what comes up to a version, and a tick after it if wanted. */
  async readTo(version: bigint, tick = false): Promise<void> {
    while (this.#watch && (this.#version < version || tick)) {
      const { done, value: update } = await this.#watch.next();
      if (done) {
        break;
      }
      this.#show(update);
      tick &&= update.payload.case !== "tick";
      this.#version = update.version;
      this.#resumeToken = update.resumeToken || this.#resumeToken;
    }
  }

  #show({ version, payload }: WatchSessionResponse): void {
    switch (payload.case) {
      case "snapshot":
        console.log(`  snapshot of version ${version}`);
        break;
      case "event": {
        if (version !== this.#version + 1n) {
          throw new Error(`version ${version} comes after ${this.#version}`);
        }
        const { type, timeRemainingMs = 0n } = payload.value;
        console.log(`  event ${version}: ${EventTypeSchema.value[type]!.name}, ${timeRemainingMs} ms left`);
        break;
      }
      case "phase": {
        const { kind, periodsLeft } = payload.value.phase!;
        console.log(`  phase: ${ClockPhaseKindSchema.value[kind]!.name}, ${periodsLeft} periods left`);
        break;
      }
      case "tick":
        console.log(`  tick: ${payload.value.activeParticipantId} has ${payload.value.remainingMs! / 1_000n} s`);
        break;
      case "end":
        console.log(`  end: ${EndReasonSchema.value[payload.value.reason]!.name}`);
    }
  }
}

function show(what: string, { version, status, participants }: Session): void {
  const clocks = participants.map((one) => `${one.timeRemainingMs} ms with ${one.clock!.periodsLeft} periods`);
  console.log(`${what}: version ${version}, ${[StatusSchema.value[status]!.name, ...clocks].join(", ")}`);
}

/** Take an error apart by its details; its message is for people alone. */
async function showRefusal(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof SyncKairosError)) {
      throw error;
    }
    const metadata = Object.entries(error.metadata).sort();
    const told = [...metadata.map(([key, value]) => `${key}=${value}`), ...error.violations.map(({ path }) => path)];
    console.log("refused:", error.reason, ...told);
  }
}

const [address, sessionId] = process.argv.slice(2);
if (!address || !sessionId) {
  throw new Error("usage: play.js ADDRESS SESSION_ID");
}
const client = connect(address);
await play(client, sessionId, JSON.parse(await readFile("examples/scenario.json", "utf8")));
client.close();
