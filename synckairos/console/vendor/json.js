/** Sessions as the contract's JSON has them (int64 as text, RFC 3339 instants), read as plain numbers. */
const FAMILIES = [
    "fischer",
    "simpleDelay",
    "bronstein",
    "byoYomi",
    "canadian",
    "perTurn",
    "hourglass",
    "penalty",
];
const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;
const DURATION = /^(-?\d+(?:\.\d{1,9})?)s$/;
/**
 * Read an RFC 3339 instant.
 *
 * @returns ms since 1970, with what the text has below a millisecond.
 * @throws RangeError if the text is no instant.
 */
export function instantFromJson(text) {
    const parts = INSTANT.exec(text);
    const seconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
    if (Number.isNaN(seconds)) {
        throw new RangeError(`not an RFC 3339 instant: ${text}`);
    }
    return seconds + Number(`0${parts?.[2] ?? ""}`) * 1_000;
}
/**
 * Read a duration such as "1.500s".
 *
 * @returns ms.
 * @throws RangeError if the text is no duration.
 */
export function durationFromJson(text) {
    const parts = DURATION.exec(text);
    if (parts === null) {
        throw new RangeError(`not a duration: ${text}`);
    }
    return Number(parts[1]) * 1_000;
}
/**
 * Read a session.
 *
 * @param session the session, as a reply or a message of a stream holds it.
 * @param serverTime the instant beside it, for which it was computed.
 */
export function factsFromJson(session, serverTime) {
    const mode = withoutPrefix(session.mode, "MODE_");
    return {
        sessionId: session.sessionId ?? "",
        version: Number(session.version ?? 0),
        serverTimeMs: instantFromJson(serverTime),
        mode,
        status: withoutPrefix(session.status, "STATUS_"),
        onExpire: withoutPrefix(session.onExpire, "ON_EXPIRE_"),
        manualClock: session.manualClock ?? false,
        elapsedMs: Number(session.elapsedMs ?? 0),
        ...instant("deadlineAtMs", session.deadlineAt),
        ...instant("closeAtMs", session.closeAt),
        holders: holders(session, mode),
        ...own(session, mode),
        phases: (session.phases ?? []).map(phaseFromJson),
        phasesTruncated: session.phasesTruncated ?? false,
    };
}
/** Read a phase: one of a session's, or that of a `phase` message of a stream. */
export function phaseFromJson(phase) {
    return {
        startsAtMs: instantFromJson(phase.startsAt ?? "1970-01-01T00:00:00Z"),
        kind: withoutPrefix(phase.kind, "CLOCK_PHASE_KIND_"),
        displayMs: Number(phase.displayMs ?? 0),
        rate: phase.rate ?? 0,
        periodsLeft: phase.periodsLeft ?? 0,
    };
}
function holders(session, mode) {
    if (mode === "PER_GROUP") {
        const inUse = new Set((session.participants ?? []).map((one) => one.groupId));
        return (session.groups ?? []).map((one) => holder(one, one.groupId, inUse.has(one.groupId)));
    }
    if (mode === "PER_PARTICIPANT") {
        return (session.participants ?? []).map((one) => holder(one, one.participantId, true));
    }
    return [];
}
function holder(one, id, isPresent) {
    const clock = one.clock === undefined ? undefined : controlled(one.clock, one.timeControl ?? {});
    const hasFlag = clock?.family.name !== "penalty" || clock.family.penaltyLimitMs > 0;
    return {
        id: id ?? "",
        isActive: one.isActive ?? false,
        ...(hasFlag ? number("remainingMs", one.timeRemainingMs ?? 0) : {}),
        overtimeMs: Number(one.overtimeMs ?? 0),
        ...(clock === undefined ? {} : { clock }),
        isPresent,
    };
}
function controlled(clock, control) {
    const isFree = (clock.turnsMade ?? 0) < (control.freeTurns ?? 0);
    const limits = [control.turnLimitMs, isFree ? control.freeTurnLimitMs : 0].map((one) => Number(one ?? 0));
    const limit = Math.min(...limits.filter((one) => one > 0));
    return {
        phase: withoutPrefix(clock.phase, "CLOCK_PHASE_KIND_"),
        parts: {
            ...number("bankMs", clock.bankMs),
            ...number("periodsLeft", clock.periodsLeft),
            ...number("periodRemainingMs", clock.periodRemainingMs),
            ...number("periodTurnsLeft", clock.periodTurnsLeft),
            ...number("delayRemainingMs", clock.delayRemainingMs),
            ...number("penaltyPoints", clock.penaltyPoints),
        },
        family: family(control.stages?.[clock.stage ?? 0] ?? {}),
        isFree,
        ...(Number.isFinite(limit) ? { turnLimitMs: limit } : {}),
    };
}
function family(stage) {
    const { byoYomi, penalty } = stage;
    return {
        name: FAMILIES.find((name) => stage[name] !== undefined) ?? "absolute",
        periodMs: Number(byoYomi?.periodMs ?? 0),
        penaltyLimitMs: Number(penalty?.limitMs ?? 0),
        penaltyUnitMs: Number(penalty?.unitMs ?? 1),
        points: penalty?.points ?? 0,
    };
}
function own(session, mode) {
    if (mode === "PER_PARTICIPANT" || mode === "PER_GROUP") {
        return {};
    }
    const remaining = mode === "PER_CYCLE" ? session.cycleRemainingMs : session.remainingMs;
    return { own: { ...number("remainingMs", remaining), overtimeMs: Number(session.overtimeMs ?? 0) } };
}
function number(name, value) {
    return value === undefined ? {} : { [name]: Number(value) };
}
function instant(name, text) {
    return text === undefined ? {} : number(name, instantFromJson(text));
}
function withoutPrefix(name, prefix) {
    return name?.startsWith(prefix) ? name.slice(prefix.length) : "UNSPECIFIED";
}
