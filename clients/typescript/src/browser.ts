/** The client for browsers, and for whatever else has `fetch`: Connect over a gateway. */

import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { SyncKairos } from "./client.js";
import { Connection, type Credentials } from "./connection.js";

export * from "./library.js";

/** How to connect. */
export interface ConnectOptions extends Credentials {}

/**
 * Return a client. Nothing is sent before its first call.
 *
 * @param target the URL of a gateway, such as "https://clocks.example.com", or a transport of connect-es.
 */
export function connect(target: string | Transport, options: ConnectOptions = {}): SyncKairos {
  const transport =
    typeof target === "string" ? createConnectTransport({ baseUrl: target, useBinaryFormat: true }) : target;
  return new SyncKairos(new Connection(transport, false, options, () => {}));
}
