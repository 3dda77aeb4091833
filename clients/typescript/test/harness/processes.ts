/** Redis and servers of SyncKairos as processes of their own, from the project's virtual environment. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type SyncKairos } from "../../src/node.js";

const PYTHON =
  process.env["SYNCKAIROS_PYTHON"] ?? fileURLToPath(new URL("../../../../.venv/bin/python", import.meta.url));
const PATIENCE_MS = 60_000;

/** Wait until a condition holds; what it throws meanwhile counts as not yet. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsMs = Date.now() + PATIENCE_MS;
  let last: unknown;
  while (Date.now() < endsMs) {
    try {
      if (await condition()) {
        return;
      }
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`, { cause: last });
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

abstract class TestProcess {
  protected readonly folder = mkdtempSync(join(tmpdir(), "synckairos-ts-"));
  #child: ChildProcess | undefined;

  protected abstract command(): readonly [string, ...string[]];
  protected abstract answers(): Promise<boolean>;

  protected environment(): Record<string, string> {
    return {};
  }

  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  async start(): Promise<void> {
    const [program, ...rest] = this.command();
    // Away from any .env of the checkout, and without settings of whoever runs the tests.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SYNCKAIROS_"));
    const env = { ...Object.fromEntries(inherited), ...this.environment() };
    const log = openSync(join(this.folder, "log"), "a");
    const child = spawn(program, rest, { cwd: this.folder, env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    const answered = until(() => {
      if (child.exitCode !== null) {
        throw new Error(`${program} has ended:\n${this.log}`);
      }
      return this.answers();
    }, `${program} answers`);
    await answered.catch(async (error: unknown) => {
      const { log: told } = this;
      await this.remove();
      throw new Error(`${program} does not start:\n${told}`, { cause: error });
    });
  }

  /** End it without a word. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Ask it to end. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Stop its clock, as a machine does that is gone. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

/** A Redis without a disk. */
export class TestRedis extends TestProcess {
  readonly #program = execFileSync(PYTHON, [
    "-c",
    "from synckairos.devstack.discovery import find_redis; print(find_redis(), end='')",
  ]).toString();

  constructor(readonly port: number) {
    super();
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  protected command(): readonly [string, ...string[]] {
    const { port, folder } = this;
    const options = { bind: "127.0.0.1", port: String(port), dir: folder, save: "", appendonly: "no" };
    return [this.#program, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])];
  }

  protected answers(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(this.port, "127.0.0.1", () => socket.end("PING\r\n"));
      socket.on("data", (reply) => resolve(reply.toString().startsWith("+PONG"))).on("error", reject);
    });
  }
}

/** A `synckairos serve`, which keeps its port when started again. */
export class TestServer extends TestProcess {
  #client: SyncKairos | undefined;

  constructor(
    readonly redisUrl: string,
    readonly prefix: string,
    readonly port: number,
    readonly settings: Readonly<Record<string, string>> = {},
  ) {
    super();
  }

  /** Start a server on a free port. */
  static async started(redisUrl: string, prefix: string, settings: Record<string, string> = {}): Promise<TestServer> {
    const server = new TestServer(redisUrl, prefix, await freePort(), settings);
    await server.start();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  override async remove(): Promise<void> {
    this.#client?.close();
    await super.remove();
  }

  protected command(): readonly [string, ...string[]] {
    return [PYTHON, "-m", "synckairos", "serve", "--listen", this.address];
  }

  protected override environment(): Record<string, string> {
    return {
      SYNCKAIROS_REDIS_URL: this.redisUrl,
      SYNCKAIROS_REDIS_PREFIX: this.prefix,
      SYNCKAIROS_DRAIN_DELAY_S: "0",
      ...this.settings,
    };
  }

  protected async answers(): Promise<boolean> {
    this.#client ??= connect(this.address);
    await this.#client.listSessions({}, { timeoutMs: 1_000 });
    return true;
  }
}
