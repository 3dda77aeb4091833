// @ts-check
// One requestAnimationFrame loop for everything that moves.

/** @typedef {(now: number) => void} Painter now: performance.now() at this frame */

/** @type {Set<Painter>} */
const painters = new Set();
let scheduled = false;

/** Call a function in every frame from the next one on. @param {Painter} painter @returns {() => void} stops it */
export function eachFrame(painter) {
  painters.add(painter);
  schedule();
  return () => void painters.delete(painter);
}

function schedule() {
  if (scheduled || !painters.size) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    // Not the frame's own timestamp, which may lie a frame back: the figure is right when it is written.
    const now = performance.now();
    for (const painter of [...painters]) painter(now);
    schedule();
  });
}
