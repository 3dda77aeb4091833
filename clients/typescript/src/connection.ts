/** A transport, and what every call over it carries. */

import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { authorization, type Credentials } from "./credentials.js";

/** What a call may be given besides its request. */
export interface CallOptions {
  /** Gives the call up when aborted; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take with all its attempts, in ms; default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Sent as `x-request-id` (at most 64 bytes): the server's log and its errors name it. */
  readonly callId?: string | undefined;
}

export class Connection {
  constructor(
    readonly transport: Transport,
    /** Whether requests can be streamed; false in browsers. */
    readonly canStreamRequests: boolean,
    private readonly credentials: Credentials,
    /** Gives up the transport's connections. */
    readonly close: () => void,
  ) {}

  /** Make a call once. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const headers = await this.#headers(options.callId);
    const reply = await this.transport.unary(method, options.signal, options.timeoutMs, headers, request);
    return reply.message;
  }

  /** Open a stream. */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<MessageShape<O>>> {
    const headers = await this.#headers(undefined);
    // Without a timeout of its own a stream would get the transport's default one.
    const reply = await this.transport.stream(method, signal, 0, headers, requests);
    return reply.message;
  }

  async #headers(callId: string | undefined): Promise<Headers> {
    const { token, actor } = this.credentials;
    const headers = new Headers();
    const all = { authorization: await authorization(token), "x-actor": actor, "x-request-id": callId };
    for (const [name, value] of Object.entries(all)) {
      if (value) {
        headers.set(name, value);
      }
    }
    return headers;
  }
}
