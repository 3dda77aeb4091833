/** Sessions to test with. */

import { randomUUID } from "node:crypto";
import { Mode, type Session, type SyncKairos } from "../../src/node.js";

/** Create and start a session of two players with these clocks. */
export async function started(client: SyncKairos, timeControlText = "600"): Promise<Session> {
  const { sessionId } = await created(client, timeControlText);
  const { session } = await client.startSession(sessionId);
  return session as Session;
}

/** Create a session of two players with these clocks. */
export async function created(client: SyncKairos, timeControlText = "600"): Promise<Session> {
  const participants = [{ participantId: randomUUID() }, { participantId: randomUUID() }];
  const { session } = await client.createSession({ mode: Mode.PER_PARTICIPANT, timeControlText, participants });
  return session as Session;
}
