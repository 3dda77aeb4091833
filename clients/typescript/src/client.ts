/** The client: every call of the contract, streams that outlive servers, and the server's clock. */

import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { ServerClock, type ServerClockOptions } from "./clock/index.js";
import { CommandStream, type CommandStreamOptions } from "./commands.js";
import type { CallOptions, Connection } from "./connection.js";
import { Unsupported } from "./errors.js";
import { errorOfCall } from "./failures.js";
import type * as audit from "./gen/synckairos/v1/audit_service_pb.js";
import { AuditService } from "./gen/synckairos/v1/audit_service_pb.js";
import type * as pb from "./gen/synckairos/v1/session_service_pb.js";
import { SessionService } from "./gen/synckairos/v1/session_service_pb.js";
import type * as controls from "./gen/synckairos/v1/time_control_service_pb.js";
import { TimeControlService } from "./gen/synckairos/v1/time_control_service_pb.js";
import { TimeService } from "./gen/synckairos/v1/time_service_pb.js";
import { fromPlain, type Plain } from "./plain.js";
import { DEADLINE_MS, withRetries } from "./retrying.js";
import { SessionCalls } from "./session_calls.js";
import { follow, type Position, type WatchOptions } from "./watching.js";

/** Where a stream of one session begins. */
export interface WatchOneOptions extends WatchOptions {
  /** The resume token of the last message seen; default: a snapshot comes first. */
  readonly resumeToken?: string | undefined;
}

/**
 * A client of SyncKairos.
 *
 * Calls are tried again while that is safe and worth it, for 10 s in all; a mutation keeps its request id meanwhile.
 */
export class SyncKairos extends SessionCalls {
  readonly #connection: Connection;

  /** Use `connect` instead. */
  constructor(connection: Connection) {
    super();
    this.#connection = connection;
  }

  /** Read up to 100 sessions as of now. */
  batchGetSessions(sessionIds: readonly string[], options: CallOptions = {}): Promise<pb.BatchGetSessionsResponse> {
    return this.#call(SessionService.method.batchGetSessions, { sessionIds }, options);
  }

  /** Read a page of the sessions in the store, newest first. */
  listSessions(
    fields: Plain<pb.ListSessionsRequest> = {},
    options: CallOptions = {},
  ): Promise<pb.ListSessionsResponse> {
    return this.#call(SessionService.method.listSessions, fields, options);
  }

  /** Read a time control, or its text: both of them, and a description in English. */
  parseTimeControl(
    fields: Plain<controls.ParseTimeControlRequest>,
    options: CallOptions = {},
  ): Promise<controls.ParseTimeControlResponse> {
    return this.#call(TimeControlService.method.parseTimeControl, fields, options);
  }

  /** Play turns by a time control, without a session. */
  simulateTimeControl(
    fields: Plain<controls.SimulateTimeControlRequest>,
    options: CallOptions = {},
  ): Promise<controls.SimulateTimeControlResponse> {
    return this.#call(TimeControlService.method.simulateTimeControl, fields, options);
  }

  /** Read a page of a session's history from the audit trail. */
  listSessionEvents(
    sessionId: string,
    fields: Omit<Plain<audit.ListSessionEventsRequest>, "sessionId"> = {},
    options: CallOptions = {},
  ): Promise<audit.ListSessionEventsResponse> {
    return this.#call(AuditService.method.listSessionEvents, { ...fields, sessionId }, options);
  }

  /** Read a page of what concerned a participant, over all sessions. */
  listParticipantEvents(
    participantId: string,
    fields: Omit<Plain<audit.ListParticipantEventsRequest>, "participantId"> = {},
    options: CallOptions = {},
  ): Promise<audit.ListParticipantEventsResponse> {
    return this.#call(AuditService.method.listParticipantEvents, { ...fields, participantId }, options);
  }

  /** Read what the audit trail says about a session as a whole. */
  getSessionAudit(sessionId: string, options: CallOptions = {}): Promise<audit.GetSessionAuditResponse> {
    return this.#call(AuditService.method.getSessionAudit, { sessionId }, options);
  }

  /** Read a page of the sessions in the audit trail. */
  listAuditedSessions(
    fields: Plain<audit.ListAuditedSessionsRequest> = {},
    options: CallOptions = {},
  ): Promise<audit.ListAuditedSessionsResponse> {
    return this.#call(AuditService.method.listAuditedSessions, fields, options);
  }

  /** Read why a clock stands as it does, line by line. */
  explainClock(
    sessionId: string,
    fields: Omit<Plain<audit.ExplainClockRequest>, "sessionId"> = {},
    options: CallOptions = {},
  ): Promise<audit.ExplainClockResponse> {
    return this.#call(AuditService.method.explainClock, { ...fields, sessionId }, options);
  }

  /** Read how far the audit trail is behind. */
  getPipelineStatus(options: CallOptions = {}): Promise<audit.GetPipelineStatusResponse> {
    return this.#call(AuditService.method.getPipelineStatus, {}, options);
  }

  /** Bring a session back from the audit trail. Never tried again by itself: it has no request id. */
  async recoverSession(
    sessionId: string,
    fields: Omit<Plain<audit.RecoverSessionRequest>, "sessionId">,
    options: CallOptions = {},
  ): Promise<audit.RecoverSessionResponse> {
    const { recoverSession } = AuditService.method;
    return this.#attempt(recoverSession, fromPlain(recoverSession.input, { ...fields, sessionId }), options, false);
  }

  /**
   * Watch a session: a snapshot, then every event, with ticks and progress as asked, until it ends.
   *
   * The stream outlives servers and connections: it goes on where it was, and says `gap` only where history was lost.
   * Leaving the loop, or the signal, ends it. Until its first message it gives up after 10 s without a server.
   */
  watch(sessionId: string, options: WatchOneOptions = {}): AsyncGenerator<pb.WatchSessionResponse, void, undefined> {
    const start = [{ sessionId, resumeToken: options.resumeToken ?? "" }];
    const { watchSession } = SessionService.method;
    const connection = this.#connection;
    return follow(
      start,
      async function* (positions, progressIntervalMs, signal) {
        const { resumeToken } = positions[0] as Position;
        const { tickIntervalMs = 0 } = options;
        const request = { sessionId, resumeToken, tickIntervalMs, progressIntervalMs };
        yield* await connection.stream(watchSession, only(request), signal);
      },
      options,
    );
  }

  /**
   * Watch up to 1 000 sessions over one stream, each as `watch` does, until all have ended.
   *
   * @param sessions their ids, or where their streams go on. One that does not exist ends with NOT_FOUND.
   */
  watchMany(
    sessions: Iterable<string | Position>,
    options: WatchOptions = {},
  ): AsyncGenerator<pb.WatchSessionsResponse, void, undefined> {
    const start = [...sessions].map((one) => (typeof one === "string" ? { sessionId: one, resumeToken: "" } : one));
    const { watchSessions } = SessionService.method;
    const connection = this.#connection;
    return follow(
      start,
      async function* (watches, progressIntervalMs, signal) {
        const { tickIntervalMs = 0 } = options;
        const request = { watches: [...watches], tickIntervalMs, progressIntervalMs, acceptBatches: true };
        for await (const message of await connection.stream(watchSessions, only(request), signal)) {
          yield* message.frames.length > 0 ? message.frames : [message];
        }
      },
      options,
    );
  }

  /**
   * Open a stream of commands: the calls of a session at a fraction of their cost, for backends that drive many.
   *
   * @throws Unsupported in a browser, where requests cannot be streamed.
   */
  commands(options: CommandStreamOptions = {}): CommandStream {
    if (!this.#connection.canStreamRequests) {
      throw new Unsupported(
        "commands() needs gRPC over HTTP/2, which browsers do not offer: make the calls one by one",
      );
    }
    return new CommandStream(this.#connection, options);
  }

  /**
   * Return a clock that shows the server's time, after its first eight samples. Close it when done.
   *
   * It is waited for a server as for a call; later on the clock goes on without one, and says how uncertain it gets.
   */
  async syncClock(options: ServerClockOptions = {}): Promise<ServerClock> {
    const { syncTime } = TimeService.method;
    // The first sample would have to wait for the connection.
    await this.#call(syncTime, {}, { signal: options.signal });
    return ServerClock.start(async (signal) => {
      const reply = await this.#connection.unary(syncTime, {}, { signal }).catch((thrown: unknown) => {
        throw errorOfCall(thrown);
      });
      return {
        receiveMs: instant(reply.serverReceiveTime),
        transmitMs: instant(reply.serverTransmitTime),
        errorMs: Number(reply.serverErrorUs) / 1_000,
      };
    }, options);
  }

  /** Give up the connections. */
  close(): void {
    this.#connection.close();
  }

  protected override execute<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    return this.#attempt(called, request, options, true);
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    fields: object,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    return this.#attempt(called, fromPlain(called.input, fields), options, true);
  }

  #attempt<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
    retries: boolean,
  ): Promise<MessageShape<O>> {
    const attempts = { timeoutMs: options.timeoutMs ?? DEADLINE_MS, signal: options.signal, retries };
    return withRetries(attempts, (timeoutMs) => this.#connection.unary(called, request, { ...options, timeoutMs }));
  }
}

async function* only<One>(one: One): AsyncGenerator<One> {
  yield one;
}

/** The server's instants have microseconds. */
function instant(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? Number.NaN : Number(timestamp.seconds) * 1_000 + timestamp.nanos / 1e6;
}
