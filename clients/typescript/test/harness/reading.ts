/** What tests read from streams. */

import type { Frame } from "../../src/node.js";

/** Reads a stream in the background and keeps what it has shown. */
export class Reader<One extends Frame> {
  readonly frames: One[] = [];
  readonly ended: Promise<unknown>;
  #failure: unknown;

  constructor(stream: AsyncIterable<One>) {
    this.ended = this.#read(stream).catch((error: unknown) => {
      this.#failure = error;
      return error;
    });
  }

  /** What kinds of messages came, in order. */
  get kinds(): (string | undefined)[] {
    return this.frames.map((one) => one.payload.case);
  }

  /** Whether a message like this has come; throws what the stream has failed with, unless it has. */
  has(like: (frame: One) => boolean): boolean {
    if (this.frames.some(like)) {
      return true;
    }
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    return false;
  }

  async #read(stream: AsyncIterable<One>): Promise<undefined> {
    for await (const frame of stream) {
      this.frames.push(frame);
    }
  }
}
