/** What both entry points offer. */

export type { Message } from "@bufbuild/protobuf";
export { type Timestamp, timestampDate, timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
export { SyncKairos, type WatchOneOptions } from "./client.js";
export * from "./clock/index.js";
export { CommandStream, type CommandStreamOptions } from "./commands.js";
export type { CallOptions } from "./connection.js";
export type { Credentials, Token } from "./credentials.js";
export * from "./errors.js";
export * from "./gen/synckairos/v1/audit_service_pb.js";
export * from "./gen/synckairos/v1/event_pb.js";
export * from "./gen/synckairos/v1/session_pb.js";
export * from "./gen/synckairos/v1/session_service_pb.js";
export * from "./gen/synckairos/v1/time_control_pb.js";
export * from "./gen/synckairos/v1/time_control_service_pb.js";
export * from "./gen/synckairos/v1/time_service_pb.js";
export { clockOf, factsOf, phaseOf, type Update } from "./messages.js";
export type { Plain } from "./plain.js";
export { newRequestId } from "./request_ids.js";
export { type Fields, SessionCalls } from "./session_calls.js";
export type { Frame, Position, WatchOptions } from "./watching.js";
