/**
 * Errors by the reasons of the contract: one class each, with what the server said as typed attributes.
 *
 * Nothing is ever read from a message. A reason that this version does not know is a plain SyncKairosError.
 */

import type { Code } from "@connectrpc/connect";

/** One wrong field of a request. */
export interface FieldViolation {
  /** As in `participants[2].total_time_ms`. */
  readonly path: string;
  readonly description: string;
}

/** What is known of a call that did not succeed. */
export interface Failure {
  readonly code: Code;
  /** gRPC's name of the code, such as "ABORTED". */
  readonly codeName: string;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly cause: unknown;
}

/** A call that did not succeed. */
export class SyncKairosError extends Error {
  /** The code of gRPC. */
  readonly code: Code;
  /** gRPC's name of the code, such as "ABORTED". */
  readonly codeName: string;
  /** The contract's reason, such as "VERSION_CONFLICT"; empty for errors of gRPC itself. */
  readonly reason: string;
  /** What the server said with the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The wrong fields of the request. */
  readonly violations: readonly FieldViolation[];
  /** How long to wait before the same call is worth trying, in ms; undefined if the server does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure) {
    const { codeName, reason, message, cause } = failure;
    super(`${codeName}${reason && ` / ${reason}`}: ${message}`, { cause });
    this.name = new.target.name;
    this.code = failure.code;
    this.codeName = codeName;
    this.reason = reason;
    this.metadata = failure.metadata;
    this.violations = failure.violations;
    this.retryAfterMs = failure.retryAfterMs;
  }

  protected text(name: string): string {
    return this.metadata[name] ?? "";
  }

  protected number(name: string): number {
    return Number(this.metadata[name] ?? 0);
  }
}

class OfSession extends SyncKairosError {
  /** The session concerned. */
  get sessionId(): string {
    return this.text("session_id");
  }
}

class OfHolder extends SyncKairosError {
  /** The participant concerned; empty if it is a group. */
  get participantId(): string {
    return this.text("participant_id");
  }

  /** The group concerned; empty if it is a participant. */
  get groupId(): string {
    return this.text("group_id");
  }
}

/** Fields of the request are wrong: `violations` names each. */
export class InvalidField extends SyncKairosError {}

/** The request id was already used for another request. */
export class RequestIdReused extends SyncKairosError {}

/** There is no such session. */
export class SessionNotFound extends OfSession {}

/** The session has no such participant. */
export class ParticipantNotFound extends OfHolder {}

/** The session has no such group. */
export class GroupNotFound extends OfHolder {}

/** The id is taken, possibly by a session deleted less than 24 hours ago. */
export class SessionAlreadyExists extends OfSession {}

/** The session already has that participant. */
export class ParticipantAlreadyExists extends OfHolder {}

/** The session's state does not allow the call. */
export class InvalidStateTransition extends SyncKairosError {
  /** The state that the session is in, such as "PAUSED". */
  get status(): string {
    return this.text("from");
  }

  /** What was asked of it, such as "switch". */
  get verb(): string {
    return this.text("verb");
  }
}

/** The clock holder concerned has run out of time, or is out. */
export class ParticipantExpired extends OfHolder {}

/** The session has run out of time. */
export class SessionExpired extends OfSession {}

/** The session is not at the version that the caller expected: read, decide again. */
export class VersionConflict extends SyncKairosError {
  /** The version that the call asked for. */
  get expected(): number {
    return this.number("expected");
  }

  /** The version that the session is at. */
  get actual(): number {
    return this.number("actual");
  }
}

/** The running turn is not the one that the caller meant to end: read, decide again. */
export class TurnAdvanced extends SyncKairosError {
  /** The participant whose turn it is now; empty if there is none. */
  get active(): string {
    return this.text("active_participant_id");
  }

  /** The participant that the call asked for; empty if it asked for none. */
  get expectedActive(): string {
    return this.text("expected_active_participant_id");
  }

  /** The participant whose time ran out just before; empty if none did. */
  get expired(): string {
    return this.text("expired_participant_id");
  }

  /** The cycle that runs now. */
  get cycleNumber(): number {
    return this.number("cycle_number");
  }

  /** The cycle that the call asked for; 0 if it asked for none. */
  get expectedCycleNumber(): number {
    return this.number("expected_cycle_number");
  }
}

/** Others kept changing the session until the call's time was up; nothing was changed. */
export class Contention extends OfSession {}

/** It is not known who calls: a better token is needed. */
export class Unauthenticated extends SyncKairosError {}

/** The server asks for a token. */
export class CredentialsMissing extends Unauthenticated {}

/** The token does not count there. */
export class CredentialsInvalid extends Unauthenticated {}

/** The token has expired: a fresh one is needed. */
export class CredentialsExpired extends Unauthenticated {}

/** The token does not allow the call. */
export class ScopeMissing extends SyncKairosError {
  /** What it lacks, such as "sessions:write". */
  get scope(): string {
    return this.text("scope");
  }
}

/** More was asked for than the caller may. */
export class RateLimited extends SyncKairosError {}

/** Nothing was taken from a stream for too long. */
export class SlowConsumer extends SyncKairosError {}

/** Changes wait for the audit trail and the store is nearly full; nothing was changed. */
export class AuditBacklog extends SyncKairosError {}

/** The store cannot be reached; nothing was changed. */
export class StoreUnavailable extends SyncKairosError {}

/** The change may or may not have been applied: repeat it with the same request id. */
export class OutcomeUnknown extends OfSession {}

/** The session is far behind, and is being brought up to date. */
export class CatchingUp extends OfSession {}

/** The audit trail cannot be read; sessions go on. */
export class AuditUnavailable extends SyncKairosError {}

/** The server is stopping; another one will answer. */
export class Draining extends SyncKairosError {}

/** The server has more to do than it can; nothing was changed. */
export class Overloaded extends SyncKairosError {}

/** A bug of the server: its log has the details under `requestId`. */
export class InternalError extends SyncKairosError {
  /** What the server's log names the call. */
  get requestId(): string {
    return this.text("request_id");
  }
}

/** No server could be reached, or the connection broke: the call may or may not have been applied. */
export class Unreachable extends SyncKairosError {}

/** No answer came in time: the call may or may not have been applied. */
export class DeadlineExceeded extends SyncKairosError {}

/** What was asked for cannot be done over this transport. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}

/** The class of every reason of the contract. */
export const CLASSES: Readonly<Record<string, new (failure: Failure) => SyncKairosError>> = {
  INVALID_FIELD: InvalidField,
  REQUEST_ID_REUSED: RequestIdReused,
  SESSION_NOT_FOUND: SessionNotFound,
  PARTICIPANT_NOT_FOUND: ParticipantNotFound,
  GROUP_NOT_FOUND: GroupNotFound,
  SESSION_ALREADY_EXISTS: SessionAlreadyExists,
  PARTICIPANT_ALREADY_EXISTS: ParticipantAlreadyExists,
  INVALID_STATE_TRANSITION: InvalidStateTransition,
  PARTICIPANT_EXPIRED: ParticipantExpired,
  SESSION_EXPIRED: SessionExpired,
  VERSION_CONFLICT: VersionConflict,
  TURN_ADVANCED: TurnAdvanced,
  CONTENTION: Contention,
  CREDENTIALS_MISSING: CredentialsMissing,
  CREDENTIALS_INVALID: CredentialsInvalid,
  CREDENTIALS_EXPIRED: CredentialsExpired,
  SCOPE_MISSING: ScopeMissing,
  RATE_LIMITED: RateLimited,
  SLOW_CONSUMER: SlowConsumer,
  AUDIT_BACKLOG: AuditBacklog,
  STORE_UNAVAILABLE: StoreUnavailable,
  OUTCOME_UNKNOWN: OutcomeUnknown,
  CATCHING_UP: CatchingUp,
  AUDIT_UNAVAILABLE: AuditUnavailable,
  DRAINING: Draining,
  OVERLOADED: Overloaded,
  INTERNAL: InternalError,
};
