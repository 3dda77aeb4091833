/**
 * What a session says about its clocks, in plain numbers and texts.
 *
 * Durations are ms. Instants are ms since 1970 on the server's clock. Names of enums are those of the contract without
 * their prefix: `MODE_PER_GROUP` is "PER_GROUP".
 */

/** Whose clock runs and what it measures. */
export type ModeName = "UNSPECIFIED" | "PER_PARTICIPANT" | "PER_CYCLE" | "PER_GROUP" | "GLOBAL" | "COUNT_UP";

/** Where the session stands in its life. */
export type StatusName = "UNSPECIFIED" | "PENDING" | "RUNNING" | "PAUSED" | "EXPIRED" | "COMPLETED" | "CANCELLED";

/** What happens when the running budget reaches zero. */
export type OnExpireName = "UNSPECIFIED" | "END_SESSION" | "ELIMINATE" | "ADVANCE" | "NOTIFY";

/** What a clock does. */
export type PhaseKind =
  | "UNSPECIFIED"
  | "FREE"
  | "DELAY"
  | "MAIN"
  | "PERIOD"
  | "RESERVE"
  | "PENALTY"
  | "OVERTIME"
  | "FLAG";

/** How a clock spends and gains time, as far as it can be seen while it runs. */
export interface FamilyFacts {
  readonly name:
    | "absolute"
    | "fischer"
    | "simpleDelay"
    | "bronstein"
    | "byoYomi"
    | "canadian"
    | "perTurn"
    | "hourglass"
    | "penalty";
  /** The length of a period; 0 in other families than byo-yomi. */
  readonly periodMs: number;
  /** How far below zero the clock runs; 0 without end, and in other families than penalty. */
  readonly penaltyLimitMs: number;
  /** The time below zero that costs `points`; 1 in other families than penalty. */
  readonly penaltyUnitMs: number;
  readonly points: number;
}

/** The parts of a holder's clock; what its family lacks is absent. */
export interface ClockParts {
  readonly bankMs?: number;
  readonly periodsLeft?: number;
  readonly periodRemainingMs?: number;
  readonly periodTurnsLeft?: number;
  readonly delayRemainingMs?: number;
  readonly penaltyPoints?: number;
}

/** A clock with a time control. */
export interface ControlledClockFacts {
  readonly phase: PhaseKind;
  readonly parts: ClockParts;
  readonly family: FamilyFacts;
  /** Whether the holder's turn charges nothing. */
  readonly isFree: boolean;
  /** How long the holder's turn may last; absent without a limit. */
  readonly turnLimitMs?: number;
}

/** A participant or a group, as far as its clock is concerned. */
export interface HolderFacts {
  /** UUID of the participant or group. */
  readonly id: string;
  readonly isActive: boolean;
  /** The time left; absent where nothing flags the clock. */
  readonly remainingMs?: number;
  /** The time spent beyond the bank. */
  readonly overtimeMs: number;
  /** Only with a time control. */
  readonly clock?: ControlledClockFacts;
  /** Whether the holder is there to receive what an hourglass passes on: no group without members is. */
  readonly isPresent: boolean;
}

/** From `startsAtMs` on the running clock shows `displayMs`, changed by `rate` for each ms. */
export interface PhaseFacts {
  readonly startsAtMs: number;
  readonly kind: PhaseKind;
  readonly displayMs: number;
  readonly rate: number;
  readonly periodsLeft: number;
}

/** The clock that a session has as a whole, in the modes where no holder has one. */
export interface OwnClockFacts {
  /** The time left; absent for a stopwatch without a limit. */
  readonly remainingMs?: number;
  readonly overtimeMs: number;
}

/** A session as it was computed for `serverTimeMs`. */
export interface SessionFacts {
  readonly sessionId: string;
  readonly version: number;
  readonly serverTimeMs: number;
  readonly mode: ModeName;
  readonly status: StatusName;
  readonly onExpire: OnExpireName;
  /** Whether the session has a clock of its own, which stands between calls. */
  readonly manualClock: boolean;
  /** Time run, pauses left out: of the cycle; in GLOBAL and COUNT_UP of the session. */
  readonly elapsedMs: number;
  /** The earliest instant at which the session changes by itself; absent if it never does. */
  readonly deadlineAtMs?: number;
  /** The instant at which the session ends whatever its clocks say; absent if none was agreed on. */
  readonly closeAtMs?: number;
  /** Who has a clock, in rotation order: the participants, in PER_GROUP the groups; else nobody. */
  readonly holders: readonly HolderFacts[];
  readonly own?: OwnClockFacts;
  /** What the running clock shows from `serverTimeMs` on; empty without a time control. */
  readonly phases: readonly PhaseFacts[];
  /** Whether more phases follow the last one. */
  readonly phasesTruncated: boolean;
}
