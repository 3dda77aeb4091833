/** The client for Node: gRPC to a server. */

import type { SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { SyncKairos } from "./client.js";
import { Connection } from "./connection.js";
import { type Credentials, checkToken } from "./credentials.js";

export * from "./library.js";

/** How to connect. */
export interface ConnectOptions extends Credentials {
  /** Options of TLS and HTTP/2, such as `ca`, `cert` and `key`; for a URL only. */
  readonly nodeOptions?: SecureClientSessionOptions | undefined;
}

/** A server that is gone without a word is noticed after 30 s. */
const KEEPALIVE = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000, pingIdleConnection: false };

/**
 * Return a client. Nothing is sent before its first call.
 *
 * @param target "host:port" or the URL of a server (`http:` without TLS, `https:` with it), or a transport of
 *   connect-es, such as one to a gateway.
 * @throws Error for a token that would go out in the clear.
 */
export function connect(target: string | Transport, options: ConnectOptions = {}): SyncKairos {
  if (typeof target !== "string") {
    return new SyncKairos(new Connection(target, true, options, () => {}));
  }
  const baseUrl = target.includes("://") ? target : `http://${target}`;
  checkToken(baseUrl, options);
  const sessionManager = new Http2SessionManager(baseUrl, KEEPALIVE, options.nodeOptions);
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  return new SyncKairos(new Connection(transport, true, options, () => sessionManager.abort()));
}
