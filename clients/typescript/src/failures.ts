/** From what a call or a command ended with to the errors of this library, by google.rpc details alone. */

import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { CLASSES, DeadlineExceeded, type Failure, SyncKairosError, Unreachable } from "./errors.js";
import type { BadRequest, ErrorInfo, RetryInfo } from "./gen/google/rpc/error_details_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import type { Status } from "./gen/google/rpc/status_pb.js";

const DOMAIN = "synckairos.dev";
/** A server gives a reason with every error but gRPC's own; without one, these codes are a connection that broke. */
const OF_GRPC: Partial<Record<Code, typeof SyncKairosError>> = {
  [Code.Unavailable]: Unreachable,
  [Code.Canceled]: Unreachable,
  [Code.Aborted]: Unreachable,
  [Code.Internal]: Unreachable,
  [Code.Unknown]: Unreachable,
  [Code.DataLoss]: Unreachable,
  [Code.DeadlineExceeded]: DeadlineExceeded,
};

interface Details {
  readonly info: ErrorInfo | undefined;
  readonly badRequest: BadRequest | undefined;
  readonly retryInfo: RetryInfo | undefined;
}

/** Return the error that a call ended with. */
export function errorOfCall(thrown: unknown): SyncKairosError {
  if (thrown instanceof SyncKairosError) {
    return thrown;
  }
  const error = ConnectError.from(thrown, Code.Unavailable);
  const details = {
    info: error.findDetails(ErrorInfoSchema).find((one) => one.domain === DOMAIN),
    badRequest: error.findDetails(BadRequestSchema)[0],
    retryInfo: error.findDetails(RetryInfoSchema)[0],
  };
  return errorOf(error.code, error.rawMessage, details, thrown);
}

/** Return the error that a command was refused with. */
export function errorOfStatus(status: Status): SyncKairosError {
  const details: { -readonly [Name in keyof Details]: Details[Name] } = {
    info: undefined,
    badRequest: undefined,
    retryInfo: undefined,
  };
  for (const one of status.details) {
    if (anyIs(one, ErrorInfoSchema)) {
      details.info = anyUnpack(one, ErrorInfoSchema);
    } else if (anyIs(one, BadRequestSchema)) {
      details.badRequest = anyUnpack(one, BadRequestSchema);
    } else if (anyIs(one, RetryInfoSchema)) {
      details.retryInfo = anyUnpack(one, RetryInfoSchema);
    }
  }
  return errorOf(status.code as Code, status.message, details, undefined);
}

function errorOf(code: Code, message: string, details: Details, cause: unknown): SyncKairosError {
  const { info, badRequest, retryInfo } = details;
  const delay = retryInfo?.retryDelay;
  const failure: Failure = {
    code,
    codeName: nameOf(code),
    message,
    reason: info?.reason ?? "",
    metadata: info?.metadata ?? {},
    violations: (badRequest?.fieldViolations ?? []).map(({ field, description }) => ({ path: field, description })),
    retryAfterMs: delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6,
    cause,
  };
  const Kind = (info ? CLASSES[info.reason] : OF_GRPC[code]) ?? SyncKairosError;
  return new Kind(failure);
}

/** "FailedPrecondition" is FAILED_PRECONDITION; the one that Connect spells in another way is gRPC's CANCELLED. */
function nameOf(code: Code): string {
  return code === Code.Canceled ? "CANCELLED" : (Code[code] ?? "Unknown").replace(/(?!^)[A-Z]/g, "_$&").toUpperCase();
}
