/**
 * docs/protocol/v1.md says what the code does: its tables equal the tables of src/protocol, its examples are the
 * codecs' very bytes, and its minimal client works against a real gateway.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { frameNumbers, frameShapes, fromClient } from "../../src/protocol/all-frames.ts";
import { closeCodes } from "../../src/protocol/close-code.ts";
import type { CodecName } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { errorCodes } from "../../src/protocol/error-code.ts";
import { type Frame, recordBytes } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { receive } from "../../src/protocol/position.ts";
import type { Kind, Shape } from "../../src/protocol/shape.ts";
import { startRealGateway } from "../conformance/real-gateway.ts";

const spec = readFileSync(new URL("../../docs/protocol/v1.md", import.meta.url), "utf8");

/** Cells of the table rows of one part of the text, head and rule left out. */
function rows(part: string): string[][] {
  const lines = part.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** The text from one heading to the next of any level. */
function part(heading: string): string {
  const at = spec.indexOf(`\n${heading}\n`);
  if (at < 0) throw new Error(`docs/protocol/v1.md has no heading "${heading}"`);
  return spec.slice(at + heading.length + 2).split(/\n#+ /)[0] ?? "";
}

function tableAfter(text: string): string[][] {
  const from = spec.indexOf(text);
  if (from < 0) throw new Error(`docs/protocol/v1.md does not say "${text}"`);
  const table = spec.slice(from + text.length).match(/(?:^|\n)(\|[^\n]*\n)+/);
  return rows(table?.[0] ?? "");
}

function typeName(kind: Kind): string {
  if (kind.is === "uint") return kind.max === 2 ? "uint 0–2" : "uint";
  if (kind.is === "list") return `list of ${typeName(kind.of)}`;
  if (kind.is === "object") return kind.shape.name;
  return kind.is === "word" ? kind.words.join(" ") : kind.is;
}

function shapeRows(shape: Shape): string[][] {
  return shape.fields.map(({ name, kind, required }, index) => [
    String(index + 1),
    name,
    typeName(kind),
    required ? "" : "optional",
  ]);
}

function objectsIn(shape: Shape, found = new Map<string, Shape>()): Map<string, Shape> {
  for (const field of shape.fields) {
    let kind = field.kind;
    while (kind.is === "list") kind = kind.of;
    if (kind.is !== "object" || found.has(kind.shape.name)) continue;
    found.set(kind.shape.name, kind.shape);
    objectsIn(kind.shape, found);
  }
  return found;
}

describe("docs/protocol/v1.md, tables", () => {
  test("the frame table equals frameNumbers, and says who sends what", () => {
    const sent = (type: string): string => (fromClient.has(type) ? "client" : "gateway");
    const table = rows(part("## 3. Frames"));
    expect(table.map(([number, type]) => [number, type])).toEqual(
      Object.entries(frameNumbers).map(([type, number]) => [String(number), type]),
    );
    const both = ["credit", "ping", "pong", "request", "response", "cancel"];
    expect(table.map(([, , by]) => by)).toEqual(
      Object.keys(frameNumbers).map((type) => (both.includes(type) ? "both" : sent(type))),
    );
  });

  test.each(Object.entries(frameNumbers))("the fields of %s equal frameShapes, in order", (type, number) => {
    const heading = spec.split("\n").find((line) => line.startsWith(`#### \`${type}\` (${number}) `)) ?? `#### ${type}`;
    expect(rows(part(heading)).map((row) => row.slice(0, 4))).toEqual(
      shapeRows(frameShapes[type as keyof typeof frameNumbers]),
    );
  });

  const objects = new Map<string, Shape>();
  for (const shape of Object.values(frameShapes)) objectsIn(shape, objects);
  test.each([...objects])("the fields of the object %s equal frameShapes, in order", (name, shape) => {
    expect(rows(part(`#### ${name}`)).map((row) => row.slice(0, 4))).toEqual(shapeRows(shape));
  });

  test("the error table equals errorCodes", () => {
    const table = tableAfter("700–799 features.\n");
    expect(table).toEqual(
      Object.entries(errorCodes).map(([name, { code, retryable, advice }]) => [
        String(code),
        name,
        retryable ? "yes" : "no",
        advice,
      ]),
    );
  });

  test("the close table equals closeCodes", () => {
    const table = tableAfter("this client is broken |\n");
    expect(table).toEqual(Object.entries(closeCodes).map(([name, { code, advice }]) => [String(code), name, advice]));
  });

  test("the limits table equals limits", () => {
    expect(rows(part("## 14. Limits")).map(([name, value]) => [name, value])).toEqual(
      Object.entries(limits).map(([name, value]) => [name, String(value)]),
    );
  });
});

describe("docs/protocol/v1.md, arithmetic", () => {
  test("recordBytes() is the worked number", () => {
    const stated = /\): (32 \+ 12 \+ 9 \+ 2 = \d+)\./.exec(spec)?.[1] ?? "";
    const payload = new TextEncoder().encode('{"qty":3}');
    expect(stated).toBe(`32 + 12 + 9 + 2 = ${recordBytes({ topic: "orders.eu.42", payload, headers: { k: "v" } })}`);
  });

  test("receive() gives the verdicts of the worked table, row after row", () => {
    const table = tableAfter("With `last = 900`:\n");
    let last = 900;
    expect(table.length).toBe(6);
    for (const [deliver = "", verdict, after, taken] of table) {
      const numbers = deliver.match(/\d+/g)?.map(Number) ?? [];
      const prev = numbers[0] ?? 0;
      const seqs = deliver.includes("no records") ? [] : numbers.slice(1);
      const upTo = numbers.at(-1) ?? 0;
      const found = receive(last, { prev, upTo });
      const took = found === "accept" ? seqs.filter((seq) => seq > last) : [];
      if (found === "accept") last = upTo;
      expect([found, String(last), took.join(", ") || "none"]).toEqual([verdict ?? "", after ?? "", taken ?? ""]);
    }
  });
});

type Example = { readonly name: string; readonly forms: Readonly<Record<CodecName, string>> };

function examples(): Example[] {
  return [...spec.matchAll(/```weir-frame (.*)\n([^`]*)```/g)].map(([, name = "", body = ""]) => {
    const forms = Object.fromEntries(
      body
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[0], line.replace(/^\S+\s+/, "")]),
    );
    return { name, forms: forms as Record<CodecName, string> };
  });
}

function wire(codec: CodecName, written: string): Uint8Array | string {
  return codec === "json" ? written : Uint8Array.from(written.split(" "), (byte) => Number.parseInt(byte, 16));
}

function written(data: Uint8Array | string): string {
  return typeof data === "string" ? data : [...data].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function decoded(codec: CodecName, text: string): Frame {
  const result = codecs[codec].decode(wire(codec, text), limits);
  if (!result.ok) throw new Error(`${codec}: ${result.message}`);
  return result.frame;
}

/** Payloads of a decoded frame may be views: their bytes are compared. */
function plain(frame: Frame): unknown {
  return JSON.parse(
    JSON.stringify(frame, (_key, value: unknown) => (value instanceof Uint8Array ? { bytes: [...value] } : value)),
  );
}

describe("docs/protocol/v1.md, examples", () => {
  const all = examples();

  test("there is an example of every frame", () => {
    const shown = new Set(all.map(({ forms }) => decoded("json", forms.json).type));
    expect([...shown].sort()).toEqual((Object.keys(frameNumbers) as Frame["type"][]).sort());
  });

  for (const { name, forms } of all) {
    for (const codec of ["json", "msgpack", "protobuf"] as const) {
      test(`${codec}: "${name}" encodes to the bytes of the text, and they decode to the same frame`, () => {
        const frame = decoded("json", forms.json);
        expect(written(codecs[codec].encode(frame))).toBe(forms[codec]);
        expect(plain(decoded(codec, forms[codec]))).toEqual(plain(frame));
      });
    }
  }
});

/** Passes bytes on to a port; cuts the first connections once the far side has sent so many bytes. */
async function cuttingProxy(
  to: number,
  cutsAt: readonly number[],
): Promise<{ readonly port: number; readonly server: Server; cuts: number }> {
  const left = [...cutsAt];
  const proxy = { port: 0, cuts: 0, server: createServer() };
  proxy.server.on("connection", (near) => {
    const far = connect(to, "127.0.0.1");
    let budget = left.shift() ?? Number.POSITIVE_INFINITY;
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.pipe(far);
    far.on("close", () => near.destroy());
    far.on("data", (data: Buffer) => {
      budget -= data.length;
      if (budget >= 0) return void near.write(data);
      proxy.cuts += 1;
      near.destroy();
      far.destroy();
    });
  });
  await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
  proxy.port = (proxy.server.address() as { port: number }).port;
  return proxy;
}

describe("docs/protocol/v1.md, minimal client", () => {
  const code = /```js minimal-client\n([\s\S]*?)```/.exec(spec)?.[1] ?? "";

  async function run(url: string): Promise<{ readonly lines: string[]; readonly code: number }> {
    const directory = mkdtempSync(join(tmpdir(), "weir-spec-"));
    try {
      const file = join(directory, "client.mjs");
      writeFileSync(file, code);
      const child = Bun.spawn([process.execPath, file, url], { stdout: "pipe", stderr: "inherit" });
      const lines = (await new Response(child.stdout).text()).trim().split("\n");
      return { lines, code: await child.exited };
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  test("it has at most 40 lines", () => {
    expect(code.trim().split("\n").length).toBeWithin(20, 41);
  });

  test("it publishes three records and receives each once from a real gateway", async () => {
    const gateway = await startRealGateway();
    try {
      expect(await run(gateway.url)).toEqual({ lines: ["hello 1", "hello 2", "hello 3"], code: 0 });
    } finally {
      await gateway.stop();
    }
  }, 20_000);

  test("it receives each once although its first three sockets are cut at different places", async () => {
    const gateway = await startRealGateway();
    // In the upgrade's answer, behind WELCOME, and behind SUBSCRIBED.
    const proxy = await cuttingProxy(Number(new URL(gateway.url).port), [100, 800, 1_100]);
    try {
      expect(await run(`ws://127.0.0.1:${proxy.port}/`)).toEqual({ lines: ["hello 1", "hello 2", "hello 3"], code: 0 });
      expect(proxy.cuts).toBe(3);
    } finally {
      proxy.server.close();
      await gateway.stop();
    }
  }, 30_000);
});
