/** Who calls: a token, and the rule that it never crosses a network in the clear. */

/** Text that is sent as `authorization`, or what makes one anew for each call. */
export type Token = string | (() => string | Promise<string>);

/** What a client sends with every call. */
export interface Credentials {
  /** Sent as `authorization`: a bearer's, unless it names another scheme before a space. Kept in memory only. */
  readonly token?: Token | undefined;
  /** Lets a token go out without TLS to another machine, on a network that you trust. */
  readonly allowInsecureToken?: boolean | undefined;
  /** Sent as `x-actor`: who is named in events and in the audit trail, at most 128 bytes. */
  readonly actor?: string | undefined;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Check that a token stays on this machine, or is encrypted.
 *
 * @throws Error if it would go out in the clear and nobody has allowed it.
 */
export function checkToken(url: string, { token, allowInsecureToken }: Credentials): void {
  const { protocol, hostname } = new URL(url);
  if (token !== undefined && protocol !== "https:" && !allowInsecureToken && !LOOPBACK.test(hostname)) {
    throw new Error(`a token for ${url} would be sent in the clear: use https:, or allowInsecureToken`);
  }
}

/** Return the value of `authorization`; empty without a token. */
export async function authorization(token: Token | undefined): Promise<string> {
  const text = typeof token === "function" ? await token() : (token ?? "");
  return text === "" || text.includes(" ") ? text : `Bearer ${text}`;
}
