import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { factsFromJson, SessionClock, type SessionJson, type SessionView } from "../src/clock/index.js";

interface View {
  at_ms: number;
}

interface Case {
  name: string;
  update: { serverTime: string; session: SessionJson };
  views: View[];
}

const VECTORS = new URL("../../vectors/session_clock.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as { cases: Case[] };

function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(inSnakeCase);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const entries = Object.entries(value).map(([name, one]) => [snakeCase(name), inSnakeCase(one)]);
  return Object.fromEntries(entries);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

test("there are vectors of every kind of session", () => {
  expect(cases.length).toBeGreaterThan(100);
});

test.each(cases)("the clocks show what the server's rules say: $name", ({ update, views }) => {
  const clock = new SessionClock(factsFromJson(update.session, update.serverTime));

  const shown = views.map((view): SessionView => clock.at(view.at_ms));

  expect(inSnakeCase(shown)).toEqual(views);
});

test("between two milliseconds the clocks show the first, as the server does", () => {
  const { update, views } = cases[0] as Case;
  const clock = new SessionClock(factsFromJson(update.session, update.serverTime));
  const atMs = views.at(2)?.at_ms ?? Number.NaN;

  expect(clock.at(atMs + 0.9).holders).toEqual(clock.at(atMs).holders);
  expect(clock.at(atMs + 1).holders).not.toEqual(clock.at(atMs).holders);
});
