import { expect, test } from "vitest";
import { type Host, MAX_DRIFT, OffsetEstimator, ServerClock } from "../src/clock/index.js";
import { SLEW_RATE } from "../src/clock/slewed_offset.js";
import { type Delays, SimulatedHost } from "./harness/simulated_host.js";

/** A generator of the same numbers for the same seed (mulberry32). */
function drawing(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Delays that are longer on one way, and now and then very long. */
function asymmetric(draw: () => number, aloneMs: number): () => Delays {
  const jitterMs = () => -3 * Math.log(1 - draw()) + (draw() < 0.05 ? 200 * draw() : 0);
  return () => ({ thereMs: 1 + aloneMs + jitterMs(), backMs: 1 + jitterMs() });
}

test.each([0, 20, 100])("with %i ms on one way alone the error is within what is stated", async (aloneMs) => {
  const draw = drawing(7 + aloneMs);
  const errors: number[] = [];
  const stated: number[] = [];
  let beyond = 0;
  for (let machine = 0; machine < 50; machine++) {
    const host = new SimulatedHost((2 * draw() - 1) * 0.9 * MAX_DRIFT, asymmetric(draw, aloneMs));
    const clock = await ServerClock.start(host.sync, { host });
    for (let look = 0; look < 200; look++) {
      await host.advance(4_000 * draw());
      const { nowMs, uncertaintyMs } = clock.read();
      const error = Math.abs(nowMs - host.serverMs);
      errors.push(error);
      stated.push(uncertaintyMs);
      beyond += error > uncertaintyMs ? 1 : 0;
    }
    clock.close();
  }
  const worst = Math.max(...stated);

  expect(errors).toHaveLength(10_000);
  expect(beyond).toBeLessThanOrEqual(10);
  // The statement is worth something: about half of the shortest round trips.
  expect(worst).toBeLessThan(aloneMs / 2 + 25);
});

test("time never runs back, and never more than five percent fast or slow", async () => {
  const draw = drawing(3);
  const host = new SimulatedHost(0, asymmetric(draw, 40));
  const clock = await ServerClock.start(host.sync, { host });
  const reads = [{ nowMs: clock.now(), monotonicMs: host.monotonicMs() }];
  for (let look = 0; look < 2_000; look++) {
    await host.advance(500 * draw());
    reads.push({ nowMs: clock.now(), monotonicMs: host.monotonicMs() });
  }
  const rates = reads.slice(1).map((read, place) => {
    const before = reads[place] as (typeof reads)[0];
    return (read.nowMs - before.nowMs) / (read.monotonicMs - before.monotonicMs);
  });

  expect(Math.min(...rates)).toBeGreaterThan(1 - SLEW_RATE - 1e-3);
  expect(Math.max(...rates)).toBeLessThan(1 + SLEW_RATE + 1e-3);
  expect(new Set(rates).size).toBeGreaterThan(1_000);
});

test("the lowest round trip of eight is believed", () => {
  const estimator = new OffsetEstimator();
  for (const delayMs of [80, 60, 4, 90, 70, 100, 50, 120]) {
    estimator.add({
      sentMs: 0,
      serverReceiveMs: 1_000 + delayMs,
      serverTransmitMs: 1_000 + delayMs,
      receivedMs: delayMs + 1,
    });
  }

  const best = estimator.at(121);

  expect(best?.offsetMs).toBe(1_000 + (4 + 4 - 5) / 2);
  expect(best?.uncertaintyMs).toBeCloseTo(2.5 + 0.6 + 116 * MAX_DRIFT, 6);
});

test.each([
  { statedMs: 4, expectedMs: 4 },
  { statedMs: 0.05, expectedMs: 0.05 },
  { statedMs: 0, expectedMs: 0.5 },
  { statedMs: undefined, expectedMs: 0.5 },
])("a server that states $statedMs ms is taken to be wrong by $expectedMs ms", async ({ statedMs, expectedMs }) => {
  const host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));
  const sync = async () => ({ ...(await host.sync()), errorMs: statedMs });

  const clock = await ServerClock.start(sync, { host });
  const atFirst = clock.uncertaintyMs();
  host.passedMs += 1_000;

  expect(atFirst).toBeCloseTo(5 + 0.1 + expectedMs, 3);
  expect(clock.uncertaintyMs()).toBeCloseTo(5 + 0.1 + expectedMs + 1_000 * MAX_DRIFT, 3);
});

test("a good sample outlives many that took longer, until its age makes it the worse one", () => {
  const estimator = new OffsetEstimator();
  const add = (sentMs: number, thereMs: number, backMs: number) =>
    estimator.add({
      sentMs,
      serverReceiveMs: 1_000_000 + sentMs + thereMs,
      serverTransmitMs: 1_000_000 + sentMs + thereMs,
      receivedMs: sentMs + thereMs + backMs,
    });
  add(0, 1, 1);
  for (let place = 1; place <= 30; place++) {
    add(place * 1_000, 60, 20);
  }

  const soon = estimator.at(31_000);
  expect(soon?.offsetMs).toBe(1_000_000);
  expect(soon?.uncertaintyMs).toBeCloseTo(1.6 + 31_000 * MAX_DRIFT, 1);
  add(1_000_000, 10, 10);
  expect(estimator.at(1_000_020)?.uncertaintyMs).toBeCloseTo(10.6, 1);
});

test("a slower sample of a server that knows better is believed", () => {
  const estimator = new OffsetEstimator();
  estimator.add({ sentMs: 0, serverReceiveMs: 1_000, serverTransmitMs: 1_000, receivedMs: 4, serverErrorMs: 20 });
  estimator.add({ sentMs: 10, serverReceiveMs: 1_012, serverTransmitMs: 1_012, receivedMs: 20, serverErrorMs: 0.2 });

  const best = estimator.at(20);

  expect(best?.offsetMs).toBe(997);
  expect(best?.uncertaintyMs).toBeCloseTo(5 + 0.1 + 0.2, 6);
});

test("after sleep the clock says that it does not know, and knows again a round trip later", async () => {
  const host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));
  const clock = await ServerClock.start(host.sync, { host });
  const before = host.samples;

  host.sleep(600_000);
  const asleep = clock.read();
  const errorMs = Math.abs(asleep.nowMs - host.serverMs);
  await host.settle();
  const awake = clock.read();

  expect(errorMs).toBeCloseTo(600_000, -2);
  expect(asleep.uncertaintyMs).toBeGreaterThan(errorMs);
  expect(host.samples - before).toBe(8);
  expect(Math.abs(awake.nowMs - host.serverMs)).toBeLessThan(awake.uncertaintyMs);
  expect(awake.uncertaintyMs).toBeLessThan(6);
});

test("a wall clock that is set does not move the clock", async () => {
  const host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));
  const clock = await ServerClock.start(host.sync, { host });

  host.wallSetMs = -3_600_000;
  const shown = clock.read();

  expect(Math.abs(shown.nowMs - host.serverMs)).toBeLessThan(6);
});

test("samples are taken when a tab is shown, and when its timer was held up", async () => {
  const host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));
  const clock = await ServerClock.start(host.sync, { host, intervalMs: 1_000 });
  const counts = [host.samples];

  await host.show();
  counts.push(host.samples);
  await host.advance(1_000);
  counts.push(host.samples);
  await host.advance(60_000);
  counts.push(host.samples);
  clock.close();
  await host.advance(60_000);
  await host.show();
  counts.push(host.samples);

  expect(counts).toEqual([8, 16, 17, 25, 25]);
});

test("a step of the server's clock is believed at once when it is ahead, and waited for when it is behind", async () => {
  let steppedMs = 0;
  const host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));
  const sync = async () => {
    const { receiveMs, transmitMs } = await host.sync();
    return { receiveMs: receiveMs + steppedMs, transmitMs: transmitMs + steppedMs };
  };
  const clock = await ServerClock.start(sync, { host });

  steppedMs = 5_000;
  await clock.resynchronise();
  const ahead = clock.now() - host.serverMs;
  steppedMs = 0;
  await clock.resynchronise();
  const stood = clock.now();
  await host.advance(2_000);
  const still = clock.read();
  await host.advance(4_000);
  const caughtUp = clock.now() - host.serverMs;

  expect(ahead).toBeCloseTo(5_000, 1);
  expect(still.nowMs - stood).toBeLessThan(1);
  expect(still.uncertaintyMs).toBeGreaterThan(still.nowMs - host.serverMs);
  expect(caughtUp).toBeCloseTo(0, 0);
});

test("a clock without any sample is none", async () => {
  const host: Host = new SimulatedHost(0, () => ({ thereMs: 5, backMs: 5 }));

  const started = ServerClock.start(() => Promise.reject(new Error("no server")), { host });

  await expect(started).rejects.toThrow("no server");
});
