/**
 * What a session says about its clocks, in plain numbers and texts.
 *
 * Durations are ms. Instants are ms since 1970 on the server's clock. Names of enums are those of the contract without
 * their prefix: `MODE_PER_GROUP` is "PER_GROUP".
 */
export {};
