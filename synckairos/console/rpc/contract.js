// @ts-check
// The contract's messages as Protobuf writes them in JSON: int64 as texts, enums by name, what has its default left out.

/** @typedef {string | number} Int64 */
/** @typedef {string} Timestamp An instant as RFC 3339. */

/**
 * @typedef {object} TimeStage
 * @property {Int64} [baseMs]
 * @property {number} [turns]
 * @property {{incrementMs?: Int64, capMs?: Int64, beforeTurn?: boolean}} [fischer]
 * @property {{delayMs?: Int64}} [simpleDelay]
 * @property {{delayMs?: Int64}} [bronstein]
 * @property {{periods?: number, periodMs?: Int64, incrementMs?: Int64}} [byoYomi]
 * @property {{turns?: number, periodMs?: Int64}} [canadian]
 * @property {{turnMs?: Int64}} [perTurn]
 * @property {object} [hourglass]
 * @property {{limitMs?: Int64, unitMs?: Int64, points?: number, incrementMs?: Int64}} [penalty]
 */
/** @typedef {{stages?: TimeStage[], turnLimitMs?: Int64, freeTurns?: number, freeTurnLimitMs?: Int64}} TimeControl */

/**
 * @typedef {object} ClockState
 * @property {Int64} [bankMs]
 * @property {number} [stage]
 * @property {number} [turnsMade]
 * @property {number} [periodsLeft]
 * @property {Int64} [periodRemainingMs]
 * @property {number} [periodTurnsLeft]
 * @property {Int64} [delayRemainingMs]
 * @property {Int64} [penaltyPoints]
 * @property {Int64} [lagQuotaMs]
 * @property {string} [phase]
 */
/** @typedef {{startsAt?: Timestamp, kind?: string, displayMs?: Int64, rate?: number, periodsLeft?: number}} ClockPhase */

/**
 * @typedef {object} Participant
 * @property {string} participantId
 * @property {number} [participantIndex]
 * @property {Int64} [totalTimeMs]
 * @property {Int64} [timeUsedMs]
 * @property {Int64} [timeRemainingMs]
 * @property {Int64} [overtimeMs]
 * @property {Int64} [cycleCount]
 * @property {boolean} [isActive]
 * @property {boolean} [hasExpired]
 * @property {string} [groupId]
 * @property {Record<string, unknown>} [metadata]
 * @property {TimeControl} [timeControl]
 * @property {ClockState} [clock]
 */
/**
 * @typedef {object} Group
 * @property {string} groupId
 * @property {Int64} [totalTimeMs]
 * @property {Int64} [timeUsedMs]
 * @property {Int64} [timeRemainingMs]
 * @property {Int64} [overtimeMs]
 * @property {boolean} [isActive]
 * @property {boolean} [hasExpired]
 * @property {TimeControl} [timeControl]
 * @property {ClockState} [clock]
 */
/**
 * @typedef {object} Session
 * @property {string} sessionId
 * @property {string} mode
 * @property {string} status
 * @property {Int64} version
 * @property {Int64} epoch
 * @property {Participant[]} [participants]
 * @property {Group[]} [groups]
 * @property {string} [activeParticipantId]
 * @property {string} [activeGroupId]
 * @property {string} [expiredParticipantId]
 * @property {string} [expiredGroupId]
 * @property {string} [winnerParticipantId]
 * @property {string} [winnerGroupId]
 * @property {Int64} [cycleNumber]
 * @property {Int64} [timePerCycleMs]
 * @property {Int64} [cycleRemainingMs]
 * @property {Int64} [elapsedMs]
 * @property {Int64} [remainingMs]
 * @property {Int64} [overtimeMs]
 * @property {Int64} [incrementMs]
 * @property {Int64} [maxTimeMs]
 * @property {Int64} [maxCycles]
 * @property {string} [onExpire]
 * @property {Int64[]} [warningThresholdsMs]
 * @property {Timestamp} [createdAt]
 * @property {Timestamp} [startedAt]
 * @property {Timestamp} [cycleStartedAt]
 * @property {Timestamp} [deadlineAt]
 * @property {Timestamp} [pausedAt]
 * @property {Timestamp} [completedAt]
 * @property {Timestamp} [updatedAt]
 * @property {Record<string, unknown>} [metadata]
 * @property {Record<string, string>} [labels]
 * @property {boolean} [recovered]
 * @property {Int64} [totalTimeMs]
 * @property {Int64} [idleTtlMs]
 * @property {ClockPhase[]} [phases]
 * @property {boolean} [phasesTruncated]
 * @property {boolean} [manualClock]
 * @property {Int64} [sessionLimitMs]
 * @property {Timestamp} [closeAt]
 * @property {object} [softClose]
 */

/** @typedef {{spentMs?: Int64, grantedMs?: Int64, creditedMs?: Int64, periodsBurnt?: number, stage?: number}} TurnSettlement */
/**
 * @typedef {object} Event What a stream and the trail both say of a change; fields after `session` come from the trail.
 * @property {string} type
 * @property {string} [cause]
 * @property {string} [actor]
 * @property {string} [reason]
 * @property {string} [changeId]
 * @property {Timestamp} [occurredAt]
 * @property {Timestamp} [firedAt]
 * @property {string} [participantId]
 * @property {string} [groupId]
 * @property {Int64} [timeElapsedMs]
 * @property {Int64} [timeRemainingMs]
 * @property {TurnSettlement} [turn]
 * @property {Int64} [extendedMs]
 * @property {Int64} [advancedMs]
 * @property {string} [onBehalfOf]
 * @property {Session} [session]
 * @property {string} [sessionId]
 * @property {Int64} [epoch]
 * @property {Int64} [version]
 * @property {string} [requestId]
 * @property {string} [callId]
 * @property {string} [peer]
 * @property {boolean} [isFork]
 * @property {Int64} [latenessMs]
 * @property {FieldChange[]} [changes]
 */
/** @typedef {{path: string, old?: unknown, new?: unknown}} FieldChange */

/**
 * @typedef {object} WatchMessage One message of a WatchSessions stream.
 * @property {string} sessionId
 * @property {Int64} [epoch]
 * @property {Int64} [version]
 * @property {Timestamp} [serverTime]
 * @property {string} [resumeToken]
 * @property {Session} [snapshot]
 * @property {Event} [event]
 * @property {{thresholdMs?: Int64, remainingMs?: Int64, participantId?: string, groupId?: string}} [warning]
 * @property {{version?: Int64}} [progress]
 * @property {{reason?: string, minVersion?: Int64}} [gap]
 * @property {{reason?: string, retryAfterMs?: Int64}} [end]
 * @property {{participantId?: string, groupId?: string, cycleNumber?: Int64, phase?: ClockPhase}} [phase]
 */

/** @typedef {{session: Session, serverTime: Timestamp, replayed?: boolean}} SessionReply */
/** @typedef {{sessions?: Session[], nextPageToken?: string, serverTime?: Timestamp}} SessionPage */
/** @typedef {{events?: Event[], nextPageToken?: string}} EventPage */
/** @typedef {{session: Session, totalCycles?: Int64, totalParticipants?: Int64, deletedAt?: Timestamp, recordedAt?: Timestamp, isDeleted?: boolean}} AuditedSession */
/** @typedef {{sessions?: AuditedSession[], nextPageToken?: string}} AuditedPage */
/** @typedef {{summary: AuditedSession, eventCount?: Int64, forkCount?: Int64}} SessionAudit */
/** @typedef {{version?: Int64, occurredAt?: Timestamp, kind: string, amountMs?: Int64, balanceMs?: Int64, periodsBurnt?: number, note?: string}} ClockLine */
/** @typedef {{lines?: ClockLine[], balanceMs?: Int64, nextPageToken?: string}} Ledger */
/**
 * @typedef {object} PipelineStatus
 * @property {Int64} [outboxLength]
 * @property {Int64} [oldestAgeMs]
 * @property {Int64} [queueWaiting]
 * @property {Int64} [queueDead]
 * @property {Int64} [deadEntries]
 * @property {Int64} [written]
 * @property {Timestamp} [lastWrittenAt]
 * @property {string} [lastError]
 * @property {boolean} [degraded]
 * @property {string[]} [degradedReasons]
 */
/** @typedef {{timeControl?: TimeControl, text?: string, description?: string}} ParsedControl */
/** @typedef {{spentMs?: Int64, pauses?: {startMs?: Int64, durationMs?: Int64}[]}} TurnPlan */
/** @typedef {{holder?: number, spentMs?: Int64, flagged?: boolean, clocks?: ClockState[], phasesPassed?: ClockPhase[]}} SimulatedTurn */
/** @typedef {{turns?: SimulatedTurn[], flaggedHolder?: number}} Simulation */
/**
 * @typedef {{clientTransmitTime?: Timestamp, serverReceiveTime: Timestamp, serverTransmitTime: Timestamp,
 *   serverErrorUs?: string}} TimeSample
 */

export {};
