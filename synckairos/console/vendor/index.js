/** The clocks of sessions and of the server: plain numbers in, plain numbers out, no imports from elsewhere. */
export * from "./facts.js";
export * from "./host.js";
export * from "./json.js";
export * from "./offset_estimator.js";
export * from "./painting.js";
export * from "./server_clock.js";
export * from "./session_clock.js";
