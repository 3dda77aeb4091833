import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = join(ROOT, "node_modules");
const LIBRARIES = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node", "@connectrpc/connect-web"];
const ENDED_WITHIN_MS = 90_000;

let project: string;

/** Install what would be published into an empty project, with the libraries that are here and without a network. */
beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "synckairos-ts-project-"));
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", project], { cwd: ROOT });
  const libraries = LIBRARIES.map((name) => [name, `file:${join(MODULES, name)}`]);
  const dependencies = { "@synckairos/client": `file:${stdout.trim()}`, ...Object.fromEntries(libraries) };
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund"], { cwd: project });
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** The programs of the README, in order. */
function snippets(): string[] {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((found) => found[1] ?? "");
}

/** Check and compile the project's programs as strictly as can be, libraries included. */
async function compile(moduleResolution: string, ...files: string[]): Promise<void> {
  const compilerOptions = {
    target: "ES2022",
    module: moduleResolution === "Bundler" ? "ES2022" : moduleResolution,
    moduleResolution,
    lib: ["ES2022", "DOM", "DOM.Iterable"],
    types: ["node"],
    typeRoots: [join(MODULES, "@types")],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const tsc = join(dirname(MODULES), "node_modules/.bin/tsc");
  await run(tsc, ["-p", "."], { cwd: project }).catch((error: { stdout: string }) => expect.fail(error.stdout));
}

test("what is packed type-checks in an empty project, and the README's programs run", async () => {
  const [start, page] = snippets() as [string, string];
  writeFileSync(join(project, "start.ts"), start.replace("127.0.0.1:50051", inject("address")));
  writeFileSync(join(project, "page.ts"), page);

  await compile("NodeNext", "start.ts", "page.ts");
  await compile("Bundler", "page.ts");
  const ran = await run(process.execPath, ["start.js"], { cwd: project, timeout: ENDED_WITHIN_MS });

  expect(ran.stderr).toBe("");
  const [conflict, ...versions] = ran.stdout.trim().split("\n");
  expect(conflict).toBe("the session is at version 3");
  expect(versions).toHaveLength(2);
  expect(versions[0]).toMatch(/^version 3: \d{6} ms and \d{6} ms$/);
});

test("what a page loads needs nothing of Node", async () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) {
      return;
    }
    loaded.add(file);
    for (const [, name = ""] of readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^"]*?from "([^"]+)"/gm)) {
      if (name.startsWith(".")) {
        load(join(dirname(file), name));
      } else {
        loaded.add(name);
      }
    }
  };

  load(join(project, "node_modules/@synckairos/client/dist/browser.js"));

  const foreign = [...loaded].filter((name) => !name.includes(project)).sort();
  expect(foreign).toEqual([
    "@bufbuild/protobuf",
    "@bufbuild/protobuf/codegenv2",
    "@bufbuild/protobuf/wkt",
    "@connectrpc/connect",
    "@connectrpc/connect-web",
  ]);
});
