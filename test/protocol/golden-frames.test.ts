import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { frameNumbers } from "../../src/protocol/all-frames.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";

/** Bytes that peers have seen. They never change: a frame that must differ is a new file. */
const folder = `${import.meta.dir}/../golden/frames`;
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []));

function text(file: string): string {
  return readFileSync(`${folder}/${file}`, "utf8").trimEnd();
}

function frameOf(name: string): Frame {
  const answer = codecs.json.decode(text(`${name}.json`), limits);
  if (!answer.ok) throw new Error(`${name}.json: ${answer.at} ${answer.message}`);
  return answer.frame;
}

describe("golden frames", () => {
  test("there is one for each frame type, with all its files", () => {
    expect(new Set(names.map((name) => frameOf(name).type))).toEqual(
      new Set(Object.keys(frameNumbers) as Frame["type"][]),
    );
    expect(readdirSync(folder).length).toBe(names.length * 3);
  });

  test.each(names)("%s: encode() makes the recorded bytes in every codec", (name) => {
    const frame = frameOf(name);
    expect(codecs.json.encode(frame)).toBe(text(`${name}.json`));
    for (const codec of ["msgpack", "protobuf"] as const) {
      expect((codecs[codec].encode(frame) as Uint8Array).toHex()).toBe(text(`${name}.${codec}.hex`));
    }
  });

  test.each(names)("%s: decode() makes the same frame of the recorded bytes in every codec", (name) => {
    for (const codec of ["msgpack", "protobuf"] as const) {
      expect(codecs[codec].decode(Uint8Array.fromHex(text(`${name}.${codec}.hex`)), limits)).toStrictEqual({
        ok: true,
        frame: frameOf(name),
      });
    }
  });
});
