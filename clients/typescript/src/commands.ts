/** Commands for any number of sessions over one stream, which is opened again when it breaks. */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { CallOptions, Connection } from "./connection.js";
import { Draining, type SyncKairosError } from "./errors.js";
import { errorOfCall, errorOfStatus } from "./failures.js";
import {
  type Command,
  type CommandOutcome,
  type ExecuteCommandsRequestSchema,
  type ExecuteCommandsResponse,
  SessionService,
} from "./gen/synckairos/v1/session_service_pb.js";
import { DEADLINE_MS, passes, pause, pauseAfter } from "./retrying.js";
import { SessionCalls } from "./session_calls.js";

export interface CommandStreamOptions {
  /** How many commands may be without an answer; more wait here. 1 to 256, which is what a server reads ahead. */
  readonly window?: number | undefined;
  /** How long to go on without any answer while no server can be reached, in ms; then all fail. Default 10 000. */
  readonly patienceMs?: number | undefined;
  /** Gives the stream up when aborted; what has no answer is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly commandId: string;
  readonly command: Command["command"];
  readonly bytes: number;
  readonly resolve: (outcome: CommandOutcome["outcome"] & { case: "result" }) => void;
  readonly reject: (reason: unknown) => void;
}

const MOST_IN_FLIGHT = 256;
/** A request may have 1 MiB; what a command has beside its own request is far less than the rest. */
const MOST_BYTES = 512 * 1_024;
/** Only these requests can be large; any other has less than this. */
const LARGE: ReadonlySet<string | undefined> = new Set(["createSession", "addParticipant", "updateSession"]);
const SMALL_BYTES = 1_024;

/**
 * A stream of commands.
 *
 * A method's promise settles when its command is answered; what is called before the first of them is awaited goes
 * together. Commands for one session are applied in the order given. When the stream breaks, or its server stops, what
 * has no answer is sent again over another one, in the same order and with the same request ids. Commands have no
 * deadline of their own (`timeoutMs` is not used). An open stream keeps a process alive; close it when done.
 */
export class CommandStream extends SessionCalls {
  readonly #connection: Connection;
  readonly #window: number;
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  /** What has no answer, in the order given. */
  readonly #waiting = new Map<string, Waiting>();
  /** What has not been sent over the present stream, in the same order. */
  #unsent: Waiting[] = [];
  #inFlight = 0;
  #answeredMs = 0;
  #wake: () => void = () => {};
  #count = 0;
  #isClosed = false;
  #running: Promise<void> | undefined;

  /** Use `SyncKairos.commands` instead. */
  constructor(connection: Connection, options: CommandStreamOptions) {
    super();
    this.#connection = connection;
    this.#window = Math.max(1, Math.min(MOST_IN_FLIGHT, options.window ?? MOST_IN_FLIGHT));
    this.#patienceMs = options.patienceMs ?? DEADLINE_MS;
    this.#signal = options.signal;
  }

  /** Wait for all answers, and end the stream. Nothing can be asked of it any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#running;
  }

  protected override async execute<I extends DescMessage, O extends DescMessage>(
    called: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const { signal } = options;
    this.#signal?.throwIfAborted();
    signal?.throwIfAborted();
    if (this.#isClosed) {
      throw new Error("this stream of commands is closed");
    }
    const commandId = String(++this.#count);
    const bytes = LARGE.has(called.localName) ? toBinary(called.input, request).length : SMALL_BYTES;
    const command = { case: called.localName, value: request } as unknown as Command["command"];
    const answered = new Promise<CommandOutcome["outcome"] & { case: "result" }>((resolve, reject) => {
      this.#add({ commandId, command, bytes, resolve, reject });
    });
    const giveUp = () => this.#remove(commandId)?.reject(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      const { session, serverTime, replayed } = (await answered).value;
      return create(called.output, { session, serverTime, replayed } as unknown as MessageInitShape<O>);
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #add(one: Waiting): void {
    if (this.#waiting.size === 0) {
      this.#answeredMs = performance.now();
    }
    this.#waiting.set(one.commandId, one);
    this.#unsent.push(one);
    this.#running ??= this.#run();
    this.#wake();
  }

  #remove(commandId: string): Waiting | undefined {
    const one = this.#waiting.get(commandId);
    this.#waiting.delete(commandId);
    return one;
  }

  /** Keep a stream open while there is work, until all of it is done. */
  async #run(): Promise<void> {
    let failures = 0;
    while (!(this.#isClosed && this.#waiting.size === 0)) {
      if (this.#waiting.size === 0) {
        await this.#work();
        continue;
      }
      const openedMs = performance.now();
      const failure = await this.#use();
      failures = this.#answeredMs > openedMs ? 0 : failures;
      if (this.#signal?.aborted) {
        this.#isClosed = true;
        this.#rejectAll(this.#signal.reason);
      } else if (failure !== undefined) {
        const isPatient = performance.now() - this.#answeredMs < this.#patienceMs;
        if (passes(failure) && isPatient) {
          await pause(pauseAfter(failure, failures++), undefined);
        } else {
          this.#rejectAll(failure);
        }
      }
    }
  }

  /** Use one stream to its end; returns what it broke with. */
  async #use(): Promise<SyncKairosError | undefined> {
    const ended = new AbortController();
    const stop = () => ended.abort();
    this.#signal?.addEventListener("abort", stop);
    this.#unsent = [...this.#waiting.values()];
    this.#inFlight = 0;
    try {
      const { executeCommands } = SessionService.method;
      const answers = await this.#connection.stream(executeCommands, this.#requests(ended.signal), ended.signal);
      for await (const answer of answers) {
        this.#take(answer);
      }
      return undefined;
    } catch (thrown) {
      return errorOfCall(thrown);
    } finally {
      this.#signal?.removeEventListener("abort", stop);
      stop();
      this.#wake();
    }
  }

  async *#requests(ended: AbortSignal): AsyncGenerator<MessageInitShape<typeof ExecuteCommandsRequestSchema>> {
    while (!ended.aborted) {
      const batch = this.#nextBatch();
      if (batch.length > 0) {
        yield batch.length === 1 ? (batch[0] as Waiting) : { commands: batch };
      } else if (this.#isClosed && this.#unsent.length === 0) {
        return;
      } else {
        await this.#work();
      }
    }
  }

  /** Return what may be sent now, and count it as sent: as much as the window and a request have room for. */
  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let bytes = 0;
    for (const one of this.#unsent) {
      bytes += one.bytes;
      if (this.#inFlight + batch.length >= this.#window || (batch.length > 0 && bytes > MOST_BYTES)) {
        break;
      }
      batch.push(one);
    }
    this.#unsent = this.#unsent.slice(batch.length);
    this.#inFlight += batch.length;
    return batch.filter((one) => this.#waiting.has(one.commandId));
  }

  #take(answer: ExecuteCommandsResponse): void {
    const outcomes = answer.outcomes.length > 0 ? answer.outcomes : [answer];
    this.#inFlight -= outcomes.length;
    this.#answeredMs = performance.now();
    for (const { commandId, outcome } of outcomes) {
      if (outcome.case === "result") {
        this.#remove(commandId)?.resolve(outcome);
      } else if (outcome.case === "status") {
        this.#refuse(commandId, errorOfStatus(outcome.value));
      }
    }
    this.#wake();
  }

  /** What a stopping server refuses was not applied: it waits for the next stream. */
  #refuse(commandId: string, error: SyncKairosError): void {
    if (!(error instanceof Draining)) {
      this.#remove(commandId)?.reject(error);
    }
  }

  #rejectAll(reason: unknown): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#unsent = [];
    for (const one of all) {
      one.reject(reason);
    }
  }

  /** Wait until there is something to send, room for it, or an end. */
  #work(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
