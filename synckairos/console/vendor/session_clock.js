/**
 * What every clock of a session shows at an instant of the server's clock, computed from one message alone.
 *
 * Up to what falls due next this is what the server itself would answer, to the millisecond. What only a newer version
 * of the session can tell is not guessed: from that instant on (`isDue`) the clocks stand as they did then.
 */
import { allPhases, runningClockAt } from "./running_clock.js";
/** The clocks of one version of a session. */
export class SessionClock {
    session;
    /** When the next version is due, in ms since 1970; Infinity if the clocks go on for ever. */
    dueAtMs;
    #phases;
    constructor(session) {
        this.session = session;
        const active = isRunning(session) ? session.holders.find((one) => one.isActive)?.clock : undefined;
        const endsAtMs = endsAt(session);
        this.#phases =
            active === undefined
                ? []
                : [...allPhases(session.phases, session.phasesTruncated, active.family, endsAtMs, isNotified(session))];
        const flag = this.#phases.find((phase) => phase.kind === "FLAG");
        this.dueAtMs = Math.min(endsAtMs, flag?.startsAtMs ?? Number.POSITIVE_INFINITY);
    }
    /**
     * Return what the clocks show.
     *
     * @param instantMs ms since 1970 on the server's clock, of which the whole ones count, as they do there. Before the message's own instant the clocks show what they
     *   show then. A session with a manual clock stands at that instant: ask for `session.serverTimeMs`.
     */
    at(instantMs) {
        const { session } = this;
        const wholeMs = Math.floor(instantMs);
        const isDue = wholeMs >= this.dueAtMs;
        const nowMs = Math.max(session.serverTimeMs, Math.min(wholeMs, this.dueAtMs));
        const ranMs = isRunning(session) ? nowMs - session.serverTimeMs : 0;
        const elapsedMs = session.elapsedMs + ranMs;
        const holders = session.own === undefined
            ? this.#holders(nowMs, ranMs, isDue)
            : [ownClock(session, session.own, ranMs, elapsedMs, isDue)];
        return { atMs: instantMs, isDue, elapsedMs, holders };
    }
    #holders(nowMs, ranMs, isDue) {
        const { session } = this;
        const place = session.holders.findIndex((one) => one.isActive);
        const active = session.holders[place];
        const running = active === undefined ? undefined : this.#running(active, nowMs);
        const flows = shares(session, place, running?.takenFromBankMs ?? 0);
        return session.holders.map((holder, at) => {
            if (holder.clock === undefined) {
                const runs = holder.isActive && isRunning(session);
                return { holderId: holder.id, isRunning: runs, ...bank(session, holder, runs ? ranMs : 0, runs, isDue) };
            }
            return at === place && running !== undefined
                ? runningView(holder, running)
                : standingView(session, holder, holder.clock, flows.get(at) ?? 0);
        });
    }
    #running(holder, nowMs) {
        return holder.clock && runningClockAt(holder, holder.clock, this.#phases, nowMs);
    }
}
function isRunning(session) {
    return session.status === "RUNNING";
}
function isNotified(session) {
    return session.onExpire === "NOTIFY";
}
/** Return when the session changes in a way that no clock simply runs on through. */
function endsAt(session) {
    const deadlineAtMs = session.deadlineAtMs ?? Number.POSITIVE_INFINITY;
    const runsOn = isNotified(session) && isRunning(session) && passedOver(session).includes(deadlineAtMs);
    return runsOn ? (session.closeAtMs ?? Number.POSITIVE_INFINITY) : deadlineAtMs;
}
/** Return the instants at which the running clock flags, or reaches its turn's limit, and may run on. */
function passedOver(session) {
    const { own, serverTimeMs, elapsedMs } = session;
    const active = session.holders.find((one) => one.isActive);
    const leftMs = (own ?? active)?.remainingMs ?? 0;
    return [serverTimeMs + leftMs, serverTimeMs + (active?.clock?.turnLimitMs ?? 0) - elapsedMs];
}
function runningView(holder, running) {
    const { phase, displayMs, parts, remainingMs, overtimeMs } = running;
    return {
        holderId: holder.id,
        isRunning: true,
        phase: phase.kind,
        displayMs,
        rate: phase.rate,
        ...(remainingMs === undefined ? {} : { remainingMs }),
        overtimeMs,
        ...parts,
    };
}
/** Return a clock with a time control that stands, after it was given `givenMs`. */
function standingView(session, holder, clock, givenMs) {
    const isBack = clock.phase === "OVERTIME" && givenMs > 0;
    const parts = givenMs === 0 ? clock.parts : { ...clock.parts, bankMs: (clock.parts.bankMs ?? 0) + givenMs };
    const phase = isBack ? "MAIN" : clock.phase;
    return {
        holderId: holder.id,
        isRunning: false,
        phase,
        displayMs: standing(session, holder, { ...clock, parts, phase }),
        rate: 0,
        ...(holder.remainingMs === undefined ? {} : { remainingMs: holder.remainingMs + givenMs }),
        overtimeMs: holder.overtimeMs,
        ...parts,
    };
}
function standing(session, holder, clock) {
    const bankMs = clock.parts.bankMs ?? 0;
    const periodMs = clock.parts.periodRemainingMs ?? 0;
    switch (clock.phase) {
        case "OVERTIME":
            return holder.overtimeMs;
        case "PERIOD":
            return periodMs;
        case "FREE": {
            const leftMs = holder.isActive ? (clock.turnLimitMs ?? 0) - session.elapsedMs : 0;
            return leftMs > 0 ? leftMs : bankMs;
        }
        case "FLAG":
            // In a free turn only its limit can have run out.
            if (clock.isFree) {
                return 0;
            }
            return clock.family.name === "perTurn" ? periodMs || bankMs : bankMs || periodMs;
        default:
            return bankMs;
    }
}
/** Return what an hourglass gives to whom, by place: equal parts of the whole turn, odd ms to the first in rotation. */
function shares(session, place, takenMs) {
    const { holders } = session;
    if (takenMs === 0 || holders[place]?.clock?.family.name !== "hourglass") {
        return new Map();
    }
    const others = holders.map((_, step) => (place + step) % holders.length).slice(1);
    const receivers = others.filter((at) => holders[at]?.isPresent && holders[at]?.clock?.phase !== "FLAG");
    const shareOf = (ms, rank) => Math.floor((ms + receivers.length - 1 - rank) / receivers.length);
    const before = session.elapsedMs;
    return new Map(receivers.map((at, rank) => [at, shareOf(before + takenMs, rank) - shareOf(before, rank)]));
}
/** Return a clock without a time control after it ran on for `ranMs`; its session's rules say what is at zero. */
function bank(session, clock, ranMs, runs, isDue) {
    const hasFlag = clock.remainingMs !== undefined;
    const leftMs = Math.max(0, (clock.remainingMs ?? 0) - ranMs);
    const overtimeMs = clock.overtimeMs + (hasFlag ? ranMs - ((clock.remainingMs ?? 0) - leftMs) : 0);
    const times = { overtimeMs, ...(hasFlag ? { remainingMs: leftMs } : {}) };
    if (hasFlag && leftMs === 0 && isNotified(session)) {
        return { phase: "OVERTIME", displayMs: overtimeMs, rate: runs && !isDue ? 1 : 0, ...times };
    }
    if ((hasFlag && leftMs === 0) || (runs && isDue)) {
        return { phase: "FLAG", displayMs: leftMs, rate: 0, ...times };
    }
    return { phase: "MAIN", displayMs: leftMs, rate: runs ? -1 : 0, ...times };
}
function ownClock(session, clock, ranMs, elapsedMs, isDue) {
    const shown = {
        holderId: "",
        isRunning: isRunning(session),
        ...bank(session, clock, ranMs, isRunning(session), isDue),
    };
    const isStopwatch = session.mode === "COUNT_UP" && shown.phase !== "OVERTIME";
    return isStopwatch ? { ...shown, displayMs: elapsedMs, rate: shown.rate === 0 ? 0 : 1 } : shown;
}
