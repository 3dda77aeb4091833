/** How a running clock with a time control goes on: its phases, and its parts at an instant within them. */
const FROM_BANK = new Set(["MAIN", "RESERVE", "PENALTY"]);
const CHARGED = new Set(["DELAY", "MAIN", "PERIOD", "RESERVE", "PENALTY"]);
/**
 * Yield the phases of a running clock, those first that the session told.
 *
 * Only byo-yomi has more phases than a session tells; its periods are counted down here.
 *
 * @param told the session's phases.
 * @param isTruncated whether more follow.
 * @param family the running clock's.
 * @param endsAtMs when the session changes by itself; what starts then is the flag.
 * @param runsOn whether overtime follows the last period.
 */
export function* allPhases(told, isTruncated, family, endsAtMs, runsOn) {
    yield* told;
    let last = told.at(-1);
    while (isTruncated && last !== undefined && (last.kind === "MAIN" || last.kind === "PERIOD")) {
        const startsAtMs = last.startsAtMs + last.displayMs;
        const periodsLeft = last.kind === "MAIN" ? last.periodsLeft : last.periodsLeft - 1;
        const next = periodsLeft > 0
            ? { startsAtMs, kind: "PERIOD", displayMs: family.periodMs, rate: -1, periodsLeft }
            : { startsAtMs, kind: runsOn ? "OVERTIME" : "FLAG", displayMs: 0, rate: runsOn ? 1 : 0, periodsLeft: 0 };
        if (startsAtMs > endsAtMs) {
            const leftMs = startsAtMs - endsAtMs;
            yield { startsAtMs: endsAtMs, kind: "FLAG", displayMs: leftMs, rate: 0, periodsLeft: last.periodsLeft };
            return;
        }
        yield startsAtMs === endsAtMs ? { ...next, kind: "FLAG", rate: 0 } : next;
        last = next;
    }
}
/**
 * Return a running clock as it stands at an instant.
 *
 * @param holder whose clock it is, as of the first phase's start.
 * @param clock the same holder's clock.
 * @param phases all phases in order; at least one.
 * @param atMs the instant, not before the first phase's start.
 */
export function runningClockAt(holder, clock, phases, atMs) {
    const state = {
        parts: clock.parts,
        remainingMs: holder.remainingMs,
        overtimeMs: holder.overtimeMs,
        takenFromBankMs: 0,
    };
    let present;
    for (const phase of phases) {
        if (phase.startsAtMs > atMs) {
            break;
        }
        if (present !== undefined) {
            spend(state, clock.family, present, phase.startsAtMs - present.startsAtMs);
        }
        enter(state, clock.family, phase);
        present = phase;
    }
    if (present === undefined) {
        return undefined;
    }
    const ranMs = atMs - present.startsAtMs;
    spend(state, clock.family, present, ranMs);
    const { remainingMs, ...rest } = state;
    const displayMs = present.displayMs + present.rate * ranMs;
    return { phase: present, displayMs, ...rest, ...(remainingMs === undefined ? {} : { remainingMs }) };
}
function enter(state, family, phase) {
    if (phase.kind === "PERIOD") {
        const periodsLeft = family.name === "byoYomi" ? { periodsLeft: phase.periodsLeft } : {};
        state.parts = { ...state.parts, ...periodsLeft, periodRemainingMs: phase.displayMs };
    }
    else if (phase.kind === "OVERTIME") {
        state.parts = withBank({}, family, family.name === "penalty" ? -family.penaltyLimitMs : 0);
        state.remainingMs = 0;
        state.overtimeMs = phase.displayMs;
    }
}
function spend(state, family, phase, ms) {
    const { parts } = state;
    if (CHARGED.has(phase.kind) && state.remainingMs !== undefined) {
        state.remainingMs = Math.max(0, state.remainingMs - ms);
    }
    if (FROM_BANK.has(phase.kind)) {
        state.takenFromBankMs += ms;
        state.parts = withBank(parts, family, (parts.bankMs ?? 0) - ms);
    }
    else if (phase.kind === "DELAY") {
        state.parts = { ...parts, delayRemainingMs: Math.max(0, (parts.delayRemainingMs ?? 0) - ms) };
    }
    else if (phase.kind === "PERIOD") {
        state.parts = withPeriod(parts, family, phase, phase.displayMs - ms);
    }
    else if (phase.kind === "OVERTIME") {
        state.overtimeMs = phase.displayMs + ms;
    }
}
function withBank(parts, family, bankMs) {
    if (family.name !== "penalty") {
        return { ...parts, bankMs };
    }
    const penaltyPoints = family.points * Math.ceil(Math.max(0, -bankMs) / family.penaltyUnitMs);
    return { ...parts, bankMs, penaltyPoints };
}
/** A period that is used up to its end is burnt: the next one stands there whole. */
function withPeriod(parts, family, phase, leftMs) {
    if (family.name !== "byoYomi" || leftMs > 0) {
        return { ...parts, periodRemainingMs: Math.max(0, leftMs) };
    }
    const periodsLeft = phase.periodsLeft - 1;
    return { ...parts, periodsLeft, periodRemainingMs: periodsLeft > 0 ? family.periodMs : 0 };
}
