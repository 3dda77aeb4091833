// @ts-check
// Who calls, as far as the user has said so. It lives in this module's memory: a reload forgets it.

/** @typedef {{token: string, apiKey: string, actor: string}} Credentials */

/** @type {Credentials} */
let credentials = { token: "", apiKey: "", actor: "" };

/** What names a caller who gave no name: the trail then says where a change came from. */
const DEFAULT_ACTOR = "console";

/** @returns {Credentials} */
export function currentCredentials() {
  return { ...credentials };
}

/** @param {Credentials} given */
export function setCredentials(given) {
  credentials = { ...given };
}

/** The headers that carry the credentials. @returns {Record<string, string>} */
export function credentialHeaders() {
  const { token, apiKey, actor } = credentials;
  /** @type {Record<string, string>} */
  const headers = { "x-actor": actor || DEFAULT_ACTOR };
  if (token) headers["authorization"] = /\s/.test(token) ? token : `Bearer ${token}`;
  if (apiKey) headers["x-api-key"] = apiKey;
  return headers;
}
