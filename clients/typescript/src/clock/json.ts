/** Sessions as the contract's JSON has them (int64 as text, RFC 3339 instants), read as plain numbers. */

import type {
  ControlledClockFacts,
  FamilyFacts,
  HolderFacts,
  ModeName,
  OnExpireName,
  OwnClockFacts,
  PhaseFacts,
  PhaseKind,
  SessionFacts,
  StatusName,
} from "./facts.js";

/** An int64 in JSON: text, or a number where a writer was lenient. */
export type JsonInteger = string | number;

/** The fields of `ClockState` that a clock is drawn from. */
export interface ClockStateJson {
  bankMs?: JsonInteger;
  stage?: number;
  turnsMade?: number;
  periodsLeft?: number;
  periodRemainingMs?: JsonInteger;
  periodTurnsLeft?: number;
  delayRemainingMs?: JsonInteger;
  penaltyPoints?: JsonInteger;
  phase?: string;
}

/** The fields of `TimeStage` that a clock is drawn from. */
export interface TimeStageJson {
  fischer?: object;
  simpleDelay?: object;
  bronstein?: object;
  byoYomi?: { periodMs?: JsonInteger };
  canadian?: object;
  perTurn?: object;
  hourglass?: object;
  penalty?: { limitMs?: JsonInteger; unitMs?: JsonInteger; points?: number };
}

/** The fields of `TimeControl` that a clock is drawn from. */
export interface TimeControlJson {
  stages?: readonly TimeStageJson[];
  turnLimitMs?: JsonInteger;
  freeTurns?: number;
  freeTurnLimitMs?: JsonInteger;
}

/** The fields of `ClockPhase`. */
export interface ClockPhaseJson {
  startsAt?: string;
  kind?: string;
  displayMs?: JsonInteger;
  rate?: number;
  periodsLeft?: number;
}

/** The fields of `Participant` and `Group` that a clock is drawn from. */
export interface HolderJson {
  participantId?: string;
  groupId?: string;
  timeRemainingMs?: JsonInteger;
  overtimeMs?: JsonInteger;
  isActive?: boolean;
  timeControl?: TimeControlJson;
  clock?: ClockStateJson;
}

/** The fields of `Session` that clocks are drawn from; a session has more. */
export interface SessionJson {
  sessionId?: string;
  version?: JsonInteger;
  mode?: string;
  status?: string;
  onExpire?: string;
  manualClock?: boolean;
  elapsedMs?: JsonInteger;
  cycleRemainingMs?: JsonInteger;
  remainingMs?: JsonInteger;
  overtimeMs?: JsonInteger;
  deadlineAt?: string;
  closeAt?: string;
  participants?: readonly HolderJson[];
  groups?: readonly HolderJson[];
  phases?: readonly ClockPhaseJson[];
  phasesTruncated?: boolean;
}

const FAMILIES = [
  "fischer",
  "simpleDelay",
  "bronstein",
  "byoYomi",
  "canadian",
  "perTurn",
  "hourglass",
  "penalty",
] as const;

const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;
const DURATION = /^(-?\d+(?:\.\d{1,9})?)s$/;

/**
 * Read an RFC 3339 instant.
 *
 * @returns ms since 1970, with what the text has below a millisecond.
 * @throws RangeError if the text is no instant.
 */
export function instantFromJson(text: string): number {
  const parts = INSTANT.exec(text);
  const seconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
  if (Number.isNaN(seconds)) {
    throw new RangeError(`not an RFC 3339 instant: ${text}`);
  }
  return seconds + Number(`0${parts?.[2] ?? ""}`) * 1_000;
}

/**
 * Read a duration such as "1.500s".
 *
 * @returns ms.
 * @throws RangeError if the text is no duration.
 */
export function durationFromJson(text: string): number {
  const parts = DURATION.exec(text);
  if (parts === null) {
    throw new RangeError(`not a duration: ${text}`);
  }
  return Number(parts[1]) * 1_000;
}

/**
 * Read a session.
 *
 * @param session the session, as a reply or a message of a stream holds it.
 * @param serverTime the instant beside it, for which it was computed.
 */
export function factsFromJson(session: SessionJson, serverTime: string): SessionFacts {
  const mode = withoutPrefix(session.mode, "MODE_") as ModeName;
  return {
    sessionId: session.sessionId ?? "",
    version: Number(session.version ?? 0),
    serverTimeMs: instantFromJson(serverTime),
    mode,
    status: withoutPrefix(session.status, "STATUS_") as StatusName,
    onExpire: withoutPrefix(session.onExpire, "ON_EXPIRE_") as OnExpireName,
    manualClock: session.manualClock ?? false,
    elapsedMs: Number(session.elapsedMs ?? 0),
    ...instant("deadlineAtMs", session.deadlineAt),
    ...instant("closeAtMs", session.closeAt),
    holders: holders(session, mode),
    ...own(session, mode),
    phases: (session.phases ?? []).map(phaseFromJson),
    phasesTruncated: session.phasesTruncated ?? false,
  };
}

/** Read a phase: one of a session's, or that of a `phase` message of a stream. */
export function phaseFromJson(phase: ClockPhaseJson): PhaseFacts {
  return {
    startsAtMs: instantFromJson(phase.startsAt ?? "1970-01-01T00:00:00Z"),
    kind: withoutPrefix(phase.kind, "CLOCK_PHASE_KIND_") as PhaseKind,
    displayMs: Number(phase.displayMs ?? 0),
    rate: phase.rate ?? 0,
    periodsLeft: phase.periodsLeft ?? 0,
  };
}

function holders(session: SessionJson, mode: ModeName): HolderFacts[] {
  if (mode === "PER_GROUP") {
    const inUse = new Set((session.participants ?? []).map((one) => one.groupId));
    return (session.groups ?? []).map((one) => holder(one, one.groupId, inUse.has(one.groupId)));
  }
  if (mode === "PER_PARTICIPANT") {
    return (session.participants ?? []).map((one) => holder(one, one.participantId, true));
  }
  return [];
}

function holder(one: HolderJson, id: string | undefined, isPresent: boolean): HolderFacts {
  const clock = one.clock === undefined ? undefined : controlled(one.clock, one.timeControl ?? {});
  const hasFlag = clock?.family.name !== "penalty" || clock.family.penaltyLimitMs > 0;
  return {
    id: id ?? "",
    isActive: one.isActive ?? false,
    ...(hasFlag ? number("remainingMs", one.timeRemainingMs ?? 0) : {}),
    overtimeMs: Number(one.overtimeMs ?? 0),
    ...(clock === undefined ? {} : { clock }),
    isPresent,
  };
}

function controlled(clock: ClockStateJson, control: TimeControlJson): ControlledClockFacts {
  const isFree = (clock.turnsMade ?? 0) < (control.freeTurns ?? 0);
  const limits = [control.turnLimitMs, isFree ? control.freeTurnLimitMs : 0].map((one) => Number(one ?? 0));
  const limit = Math.min(...limits.filter((one) => one > 0));
  return {
    phase: withoutPrefix(clock.phase, "CLOCK_PHASE_KIND_") as PhaseKind,
    parts: {
      ...number("bankMs", clock.bankMs),
      ...number("periodsLeft", clock.periodsLeft),
      ...number("periodRemainingMs", clock.periodRemainingMs),
      ...number("periodTurnsLeft", clock.periodTurnsLeft),
      ...number("delayRemainingMs", clock.delayRemainingMs),
      ...number("penaltyPoints", clock.penaltyPoints),
    },
    family: family(control.stages?.[clock.stage ?? 0] ?? {}),
    isFree,
    ...(Number.isFinite(limit) ? { turnLimitMs: limit } : {}),
  };
}

function family(stage: TimeStageJson): FamilyFacts {
  const { byoYomi, penalty } = stage;
  return {
    name: FAMILIES.find((name) => stage[name] !== undefined) ?? "absolute",
    periodMs: Number(byoYomi?.periodMs ?? 0),
    penaltyLimitMs: Number(penalty?.limitMs ?? 0),
    penaltyUnitMs: Number(penalty?.unitMs ?? 1),
    points: penalty?.points ?? 0,
  };
}

function own(session: SessionJson, mode: ModeName): { own?: OwnClockFacts } {
  if (mode === "PER_PARTICIPANT" || mode === "PER_GROUP") {
    return {};
  }
  const remaining = mode === "PER_CYCLE" ? session.cycleRemainingMs : session.remainingMs;
  return { own: { ...number("remainingMs", remaining), overtimeMs: Number(session.overtimeMs ?? 0) } };
}

function number<Name extends string>(name: Name, value: JsonInteger | undefined): { [key in Name]?: number } {
  return value === undefined ? {} : ({ [name]: Number(value) } as { [key in Name]?: number });
}

function instant<Name extends string>(name: Name, text: string | undefined): { [key in Name]?: number } {
  return text === undefined ? {} : number(name, instantFromJson(text));
}

function withoutPrefix(name: string | undefined, prefix: string): string {
  return name?.startsWith(prefix) ? name.slice(prefix.length) : "UNSPECIFIED";
}
