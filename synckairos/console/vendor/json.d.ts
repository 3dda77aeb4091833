/** Sessions as the contract's JSON has them (int64 as text, RFC 3339 instants), read as plain numbers. */
import type { PhaseFacts, SessionFacts } from "./facts.js";
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
    byoYomi?: {
        periodMs?: JsonInteger;
    };
    canadian?: object;
    perTurn?: object;
    hourglass?: object;
    penalty?: {
        limitMs?: JsonInteger;
        unitMs?: JsonInteger;
        points?: number;
    };
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
/**
 * Read an RFC 3339 instant.
 *
 * @returns ms since 1970, with what the text has below a millisecond.
 * @throws RangeError if the text is no instant.
 */
export declare function instantFromJson(text: string): number;
/**
 * Read a duration such as "1.500s".
 *
 * @returns ms.
 * @throws RangeError if the text is no duration.
 */
export declare function durationFromJson(text: string): number;
/**
 * Read a session.
 *
 * @param session the session, as a reply or a message of a stream holds it.
 * @param serverTime the instant beside it, for which it was computed.
 */
export declare function factsFromJson(session: SessionJson, serverTime: string): SessionFacts;
/** Read a phase: one of a session's, or that of a `phase` message of a stream. */
export declare function phaseFromJson(phase: ClockPhaseJson): PhaseFacts;
