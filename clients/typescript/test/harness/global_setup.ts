/** One Redis and one server for all tests; a test that breaks its server starts its own. */

import type { TestProject } from "vitest/node";
import { freePort, TestRedis, TestServer } from "./processes.js";

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string;
    /** host:port of a server. */
    address: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const redis = new TestRedis(await freePort());
  let server: TestServer | undefined;
  try {
    await redis.start();
    server = await TestServer.started(redis.url, "shared");
  } catch (error) {
    await server?.remove();
    await redis.remove();
    throw error;
  }
  provide("redisUrl", redis.url);
  provide("address", server.address);
  const running = server;
  return async () => {
    await running.remove();
    await redis.remove();
  };
}
