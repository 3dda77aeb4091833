// @ts-check
// Errors as the service says them: a code, a stable reason with metadata, the fields that were wrong, when to retry.
import { bytesOf, fieldsOf, messagesIn, numberIn, textIn } from "./wire.js";

/** @typedef {{field: string, description: string}} FieldViolation */
/** @typedef {{code?: string, message?: string, details?: {type?: string, value?: string}[]}} ErrorBody */

/** A call that was refused or could not be made. */
export class RpcError extends Error {
  /** @param {ErrorBody} body as Connect writes it */
  constructor(body) {
    super(body.message || body.code || "the call failed");
    this.name = "RpcError";
    this.code = body.code ?? "unknown";
    this.reason = "";
    /** @type {Record<string, string>} */
    this.metadata = {};
    /** @type {FieldViolation[]} */
    this.fields = [];
    this.retryAfterMs = 0;
    for (const detail of body.details ?? []) this.#take(detail.type ?? "", detail.value ?? "");
  }

  /** Whether the same request may be sent again. */
  get isRetryable() {
    return this.code === "unavailable" || this.reason === "CONTENTION";
  }

  /** @param {string} type @param {string} value base64 of the detail */
  #take(type, value) {
    const fields = fieldsOf(bytesOf(value));
    if (type.endsWith("google.rpc.ErrorInfo")) {
      this.reason = textIn(fields, 1);
      for (const entry of messagesIn(fields, 3)) {
        const pair = fieldsOf(entry);
        this.metadata[textIn(pair, 1)] = textIn(pair, 2);
      }
    } else if (type.endsWith("google.rpc.BadRequest")) {
      for (const violation of messagesIn(fields, 1).map(fieldsOf)) {
        this.fields.push({ field: textIn(violation, 1), description: textIn(violation, 2) });
      }
    } else if (type.endsWith("google.rpc.RetryInfo")) {
      const [delay] = messagesIn(fields, 1).map(fieldsOf);
      if (delay) this.retryAfterMs = numberIn(delay, 1) * 1000 + numberIn(delay, 2) / 1e6;
    }
  }
}

/** What to tell a person about any failure. @param {unknown} error */
export function describeError(error) {
  if (!(error instanceof RpcError)) return error instanceof Error ? error.message : String(error);
  const violations = error.fields.map(({ field, description }) => `${field}: ${description}`);
  return violations.length ? violations.join("\n") : error.message;
}

/** Whether somebody gave up waiting, which is no failure. @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
