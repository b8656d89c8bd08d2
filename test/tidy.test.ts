/**
 * House rules over the tree, and each rule over a planted violation.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { nameViolations, roomViolations, type Sources, sizeViolations, worldViolations } from "../tools/tidy.ts";

const root = `${import.meta.dir}/..`;

async function scan(patterns: readonly string[]): Promise<Sources> {
  const sources = new Map<string, string>();
  for (const pattern of patterns) {
    for await (const path of new Glob(pattern).scan({ cwd: root })) {
      if (path.startsWith("src/protocol/gen/") || path.includes("node_modules/")) continue;
      sources.set(path.replaceAll("\\", "/"), await Bun.file(`${root}/${path}`).text());
    }
  }
  return sources;
}

const sources = await scan(["src/**/*.{ts,tsx}"]);
const everything = await scan(["{src,test,tools,examples,bench}/**/*.{ts,tsx,mjs}"]);
const planted = (path: string, text: string): Sources => new Map([[path, text]]);

test("scan() finds sources in every room, an empty scan is a broken check", () => {
  for (const room of ["protocol", "actors", "runtime", "ops", "client"]) {
    expect([...sources.keys()].filter((path) => path.startsWith(`src/${room}/`)).length).toBeGreaterThan(2);
  }
  expect(everything.size).toBeGreaterThan(sources.size);
});

describe("roomViolations()", () => {
  test("finds none in the tree", () => expect(roomViolations(everything)).toEqual([]));

  test("sees an import that runs back, also a type-only one, a re-export and import()", () => {
    const path = "src/protocol/frame.ts";
    const forms = [
      'import { hub } from "../runtime/hub.ts";',
      'import type { Hub } from "../runtime/hub.ts";',
      'export { hub } from "../runtime/hub.ts";',
      'const hub = await import("../runtime/hub.ts");',
      'import "../runtime/hub.ts";',
      'import {\n  type Hub,\n  hub,\n} from "../runtime/hub.ts";',
    ];
    for (const form of forms) expect(roomViolations(planted(path, form))).toEqual([`${path} → runtime`]);
  });

  test("sees a client that imports more than the protocol, and a source that imports a test", () => {
    const client = 'import { encode } from "../protocol/codec.ts";\nimport { now } from "../runtime/system.ts";';
    expect(roomViolations(planted("src/client/client.ts", client))).toEqual(["src/client/client.ts → runtime"]);
    const ops = 'import { world } from "../../test/sim/world.ts";';
    expect(roomViolations(planted("src/ops/serve.ts", ops))).toEqual(["src/ops/serve.ts → test"]);
  });

  test("allows imports along the arrows, packages, and what a comment says", () => {
    const text = 'import { a } from "../protocol/a.ts";\nimport { setup } from "xstate";\n// from "../ops/x.ts"\n';
    expect(roomViolations(planted("src/actors/session/decide.ts", text.replace("../p", "../../p")))).toEqual([]);
  });
});

describe("worldViolations()", () => {
  test("finds none in the tree", () => expect(worldViolations(sources)).toEqual([]));

  test("sees the clock, chance and the host outside of the ports' implementers", () => {
    for (const use of [
      "Date.now",
      "Math.random",
      "setTimeout",
      "queueMicrotask",
      "new Date()",
      "Bun.serve",
      "process.env",
    ]) {
      const text = `const x = ${use}("a");`;
      expect(worldViolations(planted("src/actors/effect.ts", text))).toEqual([`src/actors/effect.ts touches ${use}`]);
      expect(worldViolations(planted("src/client/client.ts", text))).toHaveLength(1);
      expect(worldViolations(planted("src/runtime/system.ts", text))).toEqual([]);
      expect(worldViolations(planted("src/client/platform.ts", text))).toEqual([]);
    }
  });

  test("allows what a comment says and names that only look alike", () => {
    const text =
      "// Date.now is banned here\n/* process.exit too */\nclock.setTimeout(1); subprocess.env; ({ setTimeout: after }); Bundle.x;";
    expect(worldViolations(planted("src/actors/effect.ts", text))).toEqual([]);
  });
});

describe("sizeViolations()", () => {
  test("finds none in the tree", () => expect(sizeViolations(everything)).toEqual([]));

  test("sees a file of 401 lines and allows one of 400", () => {
    expect(sizeViolations(planted("src/a.ts", "x\n".repeat(401)))).toEqual(["src/a.ts has 401 lines"]);
    expect(sizeViolations(planted("src/a.ts", "x\n".repeat(400)))).toEqual([]);
  });
});

describe("nameViolations()", () => {
  test("finds none in the tree", () => expect(nameViolations(everything)).toEqual([]));

  test("sees a file whose name says nothing", () => {
    expect(nameViolations(planted("src/runtime/utils.ts", ""))).toEqual(["src/runtime/utils.ts"]);
  });
});
