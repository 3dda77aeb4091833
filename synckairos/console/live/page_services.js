// @ts-check
// What all parts of the page share: the stream of sessions and the server's clock.

import { ServerTime } from "./server_time.js";
import { SessionFeed } from "./session_feed.js";

export const feed = new SessionFeed();
export const serverTime = new ServerTime();
