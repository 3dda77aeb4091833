/** The client for browsers, and for whatever else has `fetch`: Connect over a gateway. */

import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { SyncKairos } from "./client.js";
import { Connection } from "./connection.js";
import { type Credentials, checkToken } from "./credentials.js";

export * from "./library.js";

/** How to connect. */
export interface ConnectOptions extends Credentials {}

/**
 * Return a client. Nothing is sent before its first call.
 *
 * @param target the URL of a gateway, such as "https://clocks.example.com", or a transport of connect-es.
 * @throws Error for a token that would go out in the clear.
 */
export function connect(target: string | Transport, options: ConnectOptions = {}): SyncKairos {
  if (typeof target !== "string") {
    return new SyncKairos(new Connection(target, false, options, () => {}));
  }
  checkToken(target, options);
  const transport = createConnectTransport({ baseUrl: target, useBinaryFormat: true });
  return new SyncKairos(new Connection(transport, false, options, () => {}));
}
