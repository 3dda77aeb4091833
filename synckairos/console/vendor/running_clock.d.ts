/** How a running clock with a time control goes on: its phases, and its parts at an instant within them. */
import type { ClockParts, ControlledClockFacts, FamilyFacts, HolderFacts, PhaseFacts } from "./facts.js";
/** A running clock at an instant. */
export interface RunningClock {
    readonly phase: PhaseFacts;
    readonly displayMs: number;
    readonly parts: ClockParts;
    readonly remainingMs?: number;
    readonly overtimeMs: number;
    /** How much of the time run was taken from the bank, in ms. */
    readonly takenFromBankMs: number;
}
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
export declare function allPhases(told: readonly PhaseFacts[], isTruncated: boolean, family: FamilyFacts, endsAtMs: number, runsOn: boolean): Generator<PhaseFacts>;
/**
 * Return a running clock as it stands at an instant.
 *
 * @param holder whose clock it is, as of the first phase's start.
 * @param clock the same holder's clock.
 * @param phases all phases in order; at least one.
 * @param atMs the instant, not before the first phase's start.
 */
export declare function runningClockAt(holder: HolderFacts, clock: ControlledClockFacts, phases: Iterable<PhaseFacts>, atMs: number): RunningClock | undefined;
