// @ts-check
// All clocks of one session, painted in every frame from the last version of it and the server's clock.
import { eachFrame } from "../live/frame_loop.js";
import { serverTime } from "../live/page_services.js";
import { factsFromJson, SessionClock } from "../vendor/index.js";
import { groupName, nameIn, number, participantName } from "../view/format.js";
import { ClockCard } from "./clock_card.js";

/** @typedef {import("../rpc/contract.js").Session} Session */
/** @typedef {import("../rpc/contract.js").TimeControl} TimeControl */
/** @typedef {import("./clock_card.js").Holder} Holder */

/** `<session-clocks>`: give it a session by update(). */
export class SessionClocks extends HTMLElement {
  /** @type {SessionClock | null} */
  #clock = null;
  /** @type {Map<string, ClockCard>} */
  #cards = new Map();
  #stop = () => {};

  connectedCallback() {
    this.className = "clocks";
    this.#stop = eachFrame(() => this.#paint());
  }

  disconnectedCallback() {
    this.#stop();
  }

  /** @param {Session} session @param {string} serverTimeText the instant it was computed for */
  update(session, serverTimeText) {
    this.#clock = new SessionClock(factsFromJson(session, serverTimeText));
    const holders = holdersOf(session);
    for (const [id, card] of this.#cards) {
      if (holders.some((holder) => holder.id === id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    for (const holder of holders) {
      const card = this.#cards.get(holder.id) ?? new ClockCard();
      this.#cards.set(holder.id, card);
      card.describe(holder);
      if (card.element !== this.children[holders.indexOf(holder)])
        this.insertBefore(card.element, this.children[holders.indexOf(holder)] ?? null);
    }
    this.#paint();
  }

  /**
   * What the clocks show at an instant of this machine's clock, and what was painted last.
   * @param {number} localMs ms since 1970
   */
  readAt(localMs) {
    const view = this.#clock?.at(this.#instant(serverTime.atLocal(localMs)));
    return {
      version: this.#clock?.session.version ?? 0,
      uncertaintyMs: serverTime.uncertaintyMs,
      clocks: (view?.holders ?? []).map((one) => ({
        ...one,
        paintedMs: this.#cards.get(one.holderId)?.paintedMs ?? NaN,
      })),
    };
  }

  /** A manual clock stands where its last change left it, and so does every clock before the server's time is known. @param {number} serverMs */
  #instant(serverMs) {
    const facts = this.#clock?.session;
    return facts && (facts.manualClock || Number.isNaN(serverMs)) ? facts.serverTimeMs : serverMs;
  }

  #paint() {
    if (!this.#clock) return;
    const view = this.#clock.at(this.#instant(serverTime.now()));
    for (const one of view.holders) this.#cards.get(one.holderId)?.paint(one);
  }
}

customElements.define("session-clocks", SessionClocks);

/** Who has a clock, in the order of the rotation. @param {Session} session @returns {Holder[]} */
function holdersOf(session) {
  const isOver = ["STATUS_EXPIRED", "STATUS_COMPLETED", "STATUS_CANCELLED"].includes(session.status);
  if (session.mode === "MODE_PER_PARTICIPANT") {
    return (session.participants ?? []).map((one) => ({
      id: one.participantId,
      name: participantName(session, one.participantId),
      isActive: !!one.isActive && !isOver,
      isOut: !!one.hasExpired,
      turn: turnWords(one, session.winnerParticipantId === one.participantId),
      ...wholes(one.timeControl, one.totalTimeMs),
    }));
  }
  if (session.mode === "MODE_PER_GROUP") {
    return (session.groups ?? []).map((one) => ({
      id: one.groupId,
      name: groupName(session, one.groupId),
      isActive: !!one.isActive && !isOver,
      isOut: !!one.hasExpired,
      turn:
        one.isActive && session.activeParticipantId
          ? participantName(session, session.activeParticipantId)
          : turnWords(one, session.winnerGroupId === one.groupId),
      ...wholes(one.timeControl, one.totalTimeMs),
    }));
  }
  const turn = session.activeParticipantId
    ? participantName(session, session.activeParticipantId)
    : `cycle ${number(session.cycleNumber)}`;
  return [
    {
      id: "",
      name: nameIn(session.metadata) || "Session",
      turn,
      isActive: session.status === "STATUS_RUNNING" || session.status === "STATUS_PAUSED",
      isOut: session.status === "STATUS_EXPIRED",
      mainMs: number(session.timePerCycleMs ?? session.totalTimeMs ?? session.maxTimeMs),
      periodMs: 0,
    },
  ];
}

/** @param {{isActive?: boolean, hasExpired?: boolean, cycleCount?: import("../rpc/contract.js").Int64}} holder @param {boolean} hasWon */
function turnWords({ isActive, hasExpired, cycleCount }, hasWon) {
  if (hasWon) return "winner";
  if (hasExpired) return "out of time";
  return isActive ? "to move" : cycleCount ? `${cycleCount} ${Number(cycleCount) === 1 ? "turn" : "turns"}` : "";
}

/** What the parts of a clock have as a whole. @param {TimeControl | undefined} control @param {import("../rpc/contract.js").Int64 | undefined} totalMs */
function wholes(control, totalMs) {
  const stage = control?.stages?.[0];
  return {
    mainMs: number(totalMs) || number(stage?.baseMs),
    periodMs: number(stage?.byoYomi?.periodMs ?? stage?.canadian?.periodMs ?? stage?.perTurn?.turnMs),
  };
}
