// @ts-check
// The Connect protocol with JSON over fetch: unary calls and server streams.
import { credentialHeaders } from "./credentials.js";
import { RpcError } from "./errors.js";

/** @typedef {import("./errors.js").ErrorBody} ErrorBody */
/** @typedef {{signal?: AbortSignal, timeoutMs?: number}} CallOptions */

const ENVELOPE_BYTES = 5;
const END_OF_STREAM = 2;

/**
 * Make a unary call.
 * @param {string} method such as `synckairos.v1.SessionService/GetSession`
 * @param {object} request
 * @param {CallOptions} [options]
 * @returns {Promise<any>} the reply; throws RpcError, or AbortError once the signal says so
 */
export async function call(method, request, { signal, timeoutMs = 10_000 } = {}) {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await send(method, JSON.stringify(request), "application/json", {
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    timeoutMs,
  });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/**
 * Read a server stream, message for message. Leaving the loop ends the call.
 * @param {string} method
 * @param {object} request
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<any, void, void>} throws RpcError, also when the connection breaks off
 */
export async function* stream(method, request, signal) {
  const response = await send(method, enveloped(request), "application/connect+json", { signal });
  if (!response.ok || !response.body) throw await refusal(response);
  const reader = response.body.getReader();
  try {
    for await (const { flags, message } of envelopes(reader)) {
      if (flags & END_OF_STREAM) {
        if (message.error) throw new RpcError(message.error);
        return;
      }
      yield message;
    }
    throw new RpcError({ code: "unavailable", message: "the stream broke off" });
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {string} method @param {BodyInit} body @param {string} type @param {CallOptions} options
 * @returns {Promise<Response>}
 */
async function send(method, body, type, { signal, timeoutMs }) {
  /** @type {Record<string, string>} */
  const headers = { ...credentialHeaders(), "content-type": type, "connect-protocol-version": "1" };
  if (timeoutMs) headers["connect-timeout-ms"] = String(timeoutMs);
  try {
    return await fetch(`/${method}`, {
      method: "POST",
      headers,
      body,
      signal: signal ?? null,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new RpcError({ code: "deadline_exceeded", message: "no answer in time" });
    }
    if (error instanceof TypeError)
      throw new RpcError({ code: "unavailable", message: "the server cannot be reached" });
    throw error;
  }
}

/** @param {Response} response @returns {Promise<RpcError>} */
async function refusal(response) {
  const body = /** @type {ErrorBody | null} */ (await response.json().catch(() => null));
  const code = response.status >= 500 || response.ok ? "unavailable" : "unknown";
  return new RpcError(body?.code ? body : { code, message: `the server answered HTTP ${response.status}` });
}

/** @param {object} message @returns {Uint8Array<ArrayBuffer>} */
function enveloped(message) {
  const json = new TextEncoder().encode(JSON.stringify(message));
  const bytes = new Uint8Array(ENVELOPE_BYTES + json.length);
  new DataView(bytes.buffer).setUint32(1, json.length);
  bytes.set(json, ENVELOPE_BYTES);
  return bytes;
}

/** @param {ReadableStreamDefaultReader<Uint8Array>} reader @returns {AsyncGenerator<{flags: number, message: any}, void, void>} */
async function* envelopes(reader) {
  const text = new TextDecoder();
  let waiting = new Uint8Array(0);
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error instanceof TypeError
        ? new RpcError({ code: "unavailable", message: "the connection was lost" })
        : error;
    });
    if (done) return;
    const bytes = new Uint8Array(waiting.length + value.length);
    bytes.set(waiting);
    bytes.set(value, waiting.length);
    let at = 0;
    while (bytes.length - at >= ENVELOPE_BYTES) {
      const size = new DataView(bytes.buffer, at).getUint32(1);
      const end = at + ENVELOPE_BYTES + size;
      if (bytes.length < end) break;
      yield { flags: bytes[at] ?? 0, message: JSON.parse(text.decode(bytes.subarray(at + ENVELOPE_BYTES, end))) };
      at = end;
    }
    waiting = bytes.slice(at);
  }
}
