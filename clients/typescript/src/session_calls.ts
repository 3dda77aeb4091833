/** The calls that drive one session, as methods with plain arguments; over a call each, or over a stream of commands. */

import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { CallOptions } from "./connection.js";
import type * as pb from "./gen/synckairos/v1/session_service_pb.js";
import { SessionService } from "./gen/synckairos/v1/session_service_pb.js";
import { fromPlain, type Plain } from "./plain.js";
import { newRequestId } from "./request_ids.js";

const { method } = SessionService;

/** The fields of a request beside the session's id. */
export type Fields<Request extends { sessionId: string } & { $typeName: string }> = Omit<Plain<Request>, "sessionId">;

/**
 * Every mutation gets a fresh request id, unless it is given one, and keeps it however often it is sent.
 *
 * Each rejects with a SyncKairosError of the class that the contract's reason names.
 */
export abstract class SessionCalls {
  protected abstract execute<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>>;

  /** Create a session; it waits to be started. */
  createSession(fields: Plain<pb.CreateSessionRequest>, options: CallOptions = {}): Promise<pb.CreateSessionResponse> {
    return this.#mutate(method.createSession, fields, options);
  }

  /** Read a session as of now. */
  getSession(sessionId: string, options: CallOptions = {}): Promise<pb.GetSessionResponse> {
    return this.execute(method.getSession, fromPlain(method.getSession.input, { sessionId }), options);
  }

  /** Start the first cycle. */
  startSession(
    sessionId: string,
    fields: Fields<pb.StartSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.StartSessionResponse> {
    return this.#mutate(method.startSession, { ...fields, sessionId }, options);
  }

  /** End the running turn and start the next. */
  switchCycle(
    sessionId: string,
    fields: Fields<pb.SwitchCycleRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.SwitchCycleResponse> {
    return this.#mutate(method.switchCycle, { ...fields, sessionId }, options);
  }

  /** Stop the running clock. */
  pauseSession(
    sessionId: string,
    fields: Fields<pb.PauseSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.PauseSessionResponse> {
    return this.#mutate(method.pauseSession, { ...fields, sessionId }, options);
  }

  /** Let a paused clock run on. */
  resumeSession(
    sessionId: string,
    fields: Fields<pb.ResumeSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.ResumeSessionResponse> {
    return this.#mutate(method.resumeSession, { ...fields, sessionId }, options);
  }

  /** End a session as completed, with a winner if one is named. */
  completeSession(
    sessionId: string,
    fields: Fields<pb.CompleteSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.CompleteSessionResponse> {
    return this.#mutate(method.completeSession, { ...fields, sessionId }, options);
  }

  /** End a session that has not ended. */
  cancelSession(
    sessionId: string,
    fields: Fields<pb.CancelSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.CancelSessionResponse> {
    return this.#mutate(method.cancelSession, { ...fields, sessionId }, options);
  }

  /** Add a participant, last in the rotation. */
  addParticipant(
    sessionId: string,
    fields: Fields<pb.AddParticipantRequest>,
    options: CallOptions = {},
  ): Promise<pb.AddParticipantResponse> {
    return this.#mutate(method.addParticipant, { ...fields, sessionId }, options);
  }

  /** Remove a participant. */
  removeParticipant(
    sessionId: string,
    fields: Fields<pb.RemoveParticipantRequest>,
    options: CallOptions = {},
  ): Promise<pb.RemoveParticipantResponse> {
    return this.#mutate(method.removeParticipant, { ...fields, sessionId }, options);
  }

  /** Change the time left on a clock. */
  adjustTime(
    sessionId: string,
    fields: Fields<pb.AdjustTimeRequest>,
    options: CallOptions = {},
  ): Promise<pb.AdjustTimeResponse> {
    return this.#mutate(method.adjustTime, { ...fields, sessionId }, options);
  }

  /** Advance the clock of a session that was created with a manual one. */
  advanceClock(
    sessionId: string,
    fields: Fields<pb.AdvanceClockRequest>,
    options: CallOptions = {},
  ): Promise<pb.AdvanceClockResponse> {
    return this.#mutate(method.advanceClock, { ...fields, sessionId }, options);
  }

  /** Replace metadata or labels. */
  updateSession(
    sessionId: string,
    fields: Fields<pb.UpdateSessionRequest>,
    options: CallOptions = {},
  ): Promise<pb.UpdateSessionResponse> {
    return this.#mutate(method.updateSession, { ...fields, sessionId }, options);
  }

  /** Delete a session in any state. */
  deleteSession(
    sessionId: string,
    fields: Fields<pb.DeleteSessionRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.DeleteSessionResponse> {
    return this.#mutate(method.deleteSession, { ...fields, sessionId }, options);
  }

  async #mutate<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    fields: object,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const request = fromPlain(called.input, { requestId: newRequestId(), ...fields });
    return this.execute(called, request, options);
  }
}
