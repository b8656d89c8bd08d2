import { describe, expect, test } from "bun:test";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import type { Corrupted } from "../contract/codec.ts";
import { codecContract } from "../contract/codec.ts";

const jsonCodec = codecs.json;

type Tree = { [name: string]: unknown };

/** Every value of the frame's text in turn is a number below zero, and so of no kind at all. */
function corrupted(frame: Frame): readonly Corrupted[] {
  const tree = JSON.parse(jsonCodec.encode(frame) as string) as Tree;
  const found: Corrupted[] = [];
  const visit = (at: string, holder: Tree, name: string): void => {
    const value = holder[name];
    holder[name] = -1;
    if (name !== "payload") found.push({ at: at.replace("Base64", ""), data: JSON.stringify(tree) });
    holder[name] = value;
    if (typeof value !== "object") return;
    for (const inner of Object.keys(value as Tree))
      visit(Array.isArray(value) ? `${at}[${inner}]` : `${at}.${inner}`, value as Tree, inner);
  };
  for (const name of Object.keys(tree)) if (name !== "type") visit(`$.${name}`, tree, name);
  return found;
}

codecContract({
  codec: jsonCodec,
  corrupted,
  malformed: [
    "{",
    "}",
    '{"type":"ping","id":1}}',
    "nil",
    '{"type":"publish","records":[{"topic":"a","payload":}]}',
    '{"type":"publish","records":[{"topic":"a","payload":[1]2}]}',
  ],
  unknown: ['{"type":"pinge"}', '{"type":"constructor"}', '{"type":1}', "{}"],
  bombs: [
    "[".repeat(200_000),
    `{"type":"publish","records":[{"topic":"a","payload":${"[".repeat(200_000)}`,
    `{"type":"ack","upTo":[${"[],".repeat(300_000)}[]]}`,
  ],
});

function publishOf(record: string): string {
  return `{"type":"publish","records":[{"topic":"a",${record}}]}`;
}

function payloadOf(record: string): string | undefined {
  const answer = jsonCodec.decode(publishOf(record), limits);
  const payload = answer.ok && answer.frame.type === "publish" ? answer.frame.records[0]?.payload : undefined;
  return payload === undefined ? undefined : new TextDecoder().decode(payload);
}

describe("json codec", () => {
  test.each([
    '{"x": 1}',
    "[1, 2 ]",
    '"text"',
    "1e400",
    "12345678901234567890",
    '{"a":1,"a":2}',
    "null",
    '"\\ud800"',
    '{"payload":{"payload":1}}',
  ])("a payload %s is kept as it was written", (text) => {
    expect(payloadOf(`"payload": ${text} `)).toBe(text);
  });

  test("encode() writes a payload that is JSON as it is, and any other as base64", () => {
    const encode = (text: string) =>
      jsonCodec.encode({ type: "publish", records: [{ topic: "a", payload: new TextEncoder().encode(text) }] });
    expect(encode('{"x": 1}')).toBe(publishOf('"payload":{"x": 1}'));
    for (const text of ["", " 1", "1\n", "nope", "[1", "\ufeff1", "1,2", '1}],"first":{"a":[{"b":2'])
      expect(encode(text)).toBe(
        publishOf(`"payloadBase64":"${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}"`),
      );
  });

  test("a payload may nest 64 deep and no deeper", () => {
    expect(payloadOf(`"payload":${"[".repeat(64)}${"]".repeat(64)}`)).toHaveLength(128);
    const answer = jsonCodec.decode(publishOf(`"payload":${"[".repeat(65)}${"]".repeat(65)}`), limits);
    expect(answer).toMatchObject({ ok: false, code: "frameTooDeep" });
  });

  test("a name may be written with escapes, and brackets in text do not count as nesting", () => {
    expect(payloadOf('"pay\\u006coad":[1]')).toBe("[1]");
    expect(payloadOf(`"payload":${JSON.stringify('[[[{"\\'.repeat(50))}`)).toBe(JSON.stringify('[[[{"\\'.repeat(50)));
    expect(
      jsonCodec.decode(JSON.stringify({ type: "nak", chain: 1, seq: 1, reason: '[{"'.repeat(50) }), limits).ok,
    ).toBe(true);
  });

  test.each([
    ['{"type":"ping","id":1,"heds":[]}', "$.heds", 'Ping has no field "heds"'],
    ['{"type":"ping","id":1,"__proto__":{}}', "$.__proto__", 'Ping has no field "__proto__"'],
    ['{"type":"ack","upTo":[{"chain":1,"seq":1,"type":"x"}]}', "$.upTo[0].type", 'ChainSeq has no field "type"'],
    [
      publishOf('"payload":1,"payloadBase64":""'),
      "$.records[0].payloadBase64",
      'PublishRecord has "payload" or "payloadBase64", not both',
    ],
    [
      publishOf('"payload":1,"lane":2'),
      "$.records[0].lane",
      'Expected one of "critical", "high", "normal", "low", got 2',
    ],
    [
      publishOf('"payloadBase64":"QQ"'),
      "$.records[0].payload",
      'Expected base64 with padding (RFC 4648, section 4) in payloadBase64, got "QQ"',
    ],
    ['{"type":"ping","id":null}', "$.id", "Expected an integer from 0 to 9007199254740991, got null"],
    [
      '{"type":"subscribe","ref":1,"filter":"a","start":{"kind":"new","seq":1}}',
      "$.start.seq",
      'StartAt "new" has no field "seq"',
    ],
    [
      '{"type":"subscribe","ref":1,"filter":"a","start":{"kind":"position","seq":1}}',
      "$.start.epoch",
      'StartAt "position" needs the field "epoch"',
    ],
    ['{"type":"auth","token":"\\ud800"}', "$.token", "Text holds a lone surrogate"],
    ['{"type":"subscribe","filter":"a"}', "$.ref", 'Subscribe needs the field "ref"'],
  ])("decode(%s) refuses at %s", (text, at, message) => {
    expect(jsonCodec.decode(text, limits)).toMatchObject({ ok: false, code: "badFrameShape", at, message });
  });

  test("a refusal names a long or ill-formed name in short", () => {
    const answer = jsonCodec.decode(`{"type":"ping","id":1,"\\ud800${"x".repeat(10_000)}":1}`, limits);
    expect(answer).toMatchObject({ ok: false, at: `$.\ufffd${"x".repeat(31)}…` });
    const unparsed = jsonCodec.decode("x".repeat(10_000), limits);
    expect(unparsed.ok ? "" : unparsed.message).toMatch(/^Frame cannot be parsed: .{1,201}$/u);
  });

  test("a header may have the name of a field that holds bytes", () => {
    const answer = jsonCodec.decode(publishOf('"payload":1,"headers":{"payload":"x","data":"y"}'), limits);
    expect(answer).toMatchObject({ ok: true, frame: { records: [{ headers: { payload: "x", data: "y" } }] } });
    expect(jsonCodec.decode(publishOf('"payload":1,"headers":{"data":1}'), limits)).toMatchObject({
      code: "badFrameShape",
      at: "$.records[0].headers.data",
    });
  });

  test("a lane is its name", () => {
    const answer = jsonCodec.decode(publishOf('"payload":1,"lane":"critical"'), limits);
    expect(answer).toMatchObject({ ok: true, frame: { records: [{ lane: 0 }] } });
  });
});
