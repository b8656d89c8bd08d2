/** Heads of HTTP/1.1: what is one, what is refused, and how long a body is. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { answerFraming, BodyMeter, type Framing, requestFraming } from "../../../src/ops/balance/http-body.ts";
import {
  isWebSocketUpgrade,
  parseAnswerHead,
  parseRequestHead,
  type RequestHead,
  staysOpen,
} from "../../../src/ops/balance/http-head.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const lineBytesMax = 64;

function request(...lines: readonly string[]): RequestHead {
  const parsed = parseRequestHead(bytes([...lines, "\r\n"].join("\r\n")), 10);
  if (!parsed.ok) throw new Error(parsed.detail);
  return parsed.head;
}
const answer = (...lines: readonly string[]) => {
  const parsed = parseAnswerHead(bytes([...lines, "\r\n"].join("\r\n")), 10);
  if (!parsed.ok) throw new Error(parsed.detail);
  return parsed.head;
};

describe("parseRequestHead()", () => {
  test("tells method, target, version and headers as they stood there, values without the space around", () => {
    const head = request("GET /a%20b?x=1 HTTP/1.1", "HOST:x", "A-b: \t c , d\t");
    expect(head).toEqual({
      ...{ method: "GET", target: "/a%20b?x=1", version: "1.1" },
      headers: [
        ["HOST", "x", "host"],
        ["A-b", "c , d", "a-b"],
      ],
    });
  });

  test("refuses any head in which a byte of a line is a control character or a line is no header", () => {
    for (const line of ["A: \0", "A: b\rc", "A", ": b", "A b: c", "A\t: b", " A: b", "A: \x7f", "Ä: b"]) {
      const parsed = parseRequestHead(bytes(`GET / HTTP/1.1\r\nHost: x\r\n${line}\r\n\r\n`), 10);
      expect([line, parsed.ok]).toEqual([line, false]);
    }
    for (const line of [
      "GET  / HTTP/1.1",
      "GET / HTTP/1.1 ",
      " GET / HTTP/1.1",
      "GET /\x01 HTTP/1.1",
      "G@T / HTTP/1.1",
      "GET /",
    ]) {
      expect([line, parseRequestHead(bytes(`${line}\r\nHost: x\r\n\r\n`), 10).ok]).toEqual([line, false]);
    }
  });

  test("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const text = Buffer.concat([noise, bytes("\r\n\r\n")]);
        for (const parsed of [parseRequestHead(text, 5), parseAnswerHead(text, 5)])
          if (!parsed.ok) expect([400, 431, 505]).toContain(parsed.status);
      }),
    );
  });
});

test("isWebSocketUpgrade() takes a GET that names both, in any case and among others", () => {
  const lines = ["Host: x", "connection: keep-alive, UPGRADE", "Upgrade: h2c, WebSocket"];
  expect(isWebSocketUpgrade(request("GET / HTTP/1.1", ...lines))).toBe(true);
  expect(isWebSocketUpgrade(request("POST / HTTP/1.1", ...lines))).toBe(false);
  expect(isWebSocketUpgrade(request("GET / HTTP/1.1", "Host: x", "Upgrade: websocket"))).toBe(false);
  expect(isWebSocketUpgrade(request("GET / HTTP/1.1", "Host: x", "Connection: upgrade", "Upgrade: h2c"))).toBe(false);
});

test("staysOpen() as RFC 9112 has it: 1.1 unless it says close, 1.0 when it says keep-alive", () => {
  expect(staysOpen(request("GET / HTTP/1.1", "Host: x"))).toBe(true);
  expect(staysOpen(request("GET / HTTP/1.1", "Host: x", "Connection: Close"))).toBe(false);
  expect(staysOpen(request("GET / HTTP/1.0"))).toBe(false);
  expect(staysOpen(request("GET / HTTP/1.0", "Connection: Keep-Alive"))).toBe(true);
});

describe("the length of a body", () => {
  test("of a request: none, a length, chunks; two lengths or both kinds are refused", () => {
    const framing = (...lines: readonly string[]) => requestFraming(request("POST / HTTP/1.1", "Host: x", ...lines));
    expect(framing()).toEqual({ ok: true, framing: { kind: "none" } });
    expect(framing("Content-Length: 12")).toEqual({ ok: true, framing: { kind: "length", bytes: 12 } });
    expect(framing("Transfer-Encoding: Chunked")).toEqual({ ok: true, framing: { kind: "chunked" } });
    for (const wrong of [
      "Content-Length: +1",
      "Content-Length: 1, 1",
      "Content-Length: 0x1",
      "Content-Length:",
      "Transfer-Encoding:",
    ])
      expect([wrong, framing(wrong).ok]).toEqual([wrong, false]);
    expect(framing("Content-Length: 1", "Transfer-Encoding: chunked").ok).toBe(false);
    expect(framing("Transfer-Encoding: chunked", "Transfer-Encoding: chunked").ok).toBe(false);
  });

  test("of an answer: none to HEAD and with 1xx, 204, 304; without a length it lasts until the close", () => {
    const length = "Content-Length: 5";
    expect(answerFraming(answer("HTTP/1.1 200 OK", length), "GET")).toMatchObject({
      framing: { kind: "length", bytes: 5 },
    });
    expect(answerFraming(answer("HTTP/1.1 200 OK", length), "HEAD")).toMatchObject({ framing: { kind: "none" } });
    for (const status of [101, 204, 304])
      expect(answerFraming(answer(`HTTP/1.1 ${status} `, length), "GET")).toMatchObject({ framing: { kind: "none" } });
    expect(answerFraming(answer("HTTP/1.1 200"), "GET")).toMatchObject({ framing: { kind: "until close" } });
  });
});

describe("BodyMeter", () => {
  const meter = (framing: Framing) => new BodyMeter(framing, lineBytesMax);
  const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 });

  test("finds the end of a chunked body however it is cut, and leaves what follows", () => {
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 5 }), fc.boolean(), fc.array(fc.nat(30)), (chunks, trailers, cuts) => {
        const parts = chunks.map((one, at) =>
          Buffer.concat([bytes(`${one.byteLength.toString(16)}${at % 2 === 1 ? ";a=b" : ""}\r\n`), one, bytes("\r\n")]),
        );
        const body = Buffer.concat([...parts, bytes(`0\r\n${trailers ? "X: y\r\n" : ""}\r\n`)]);
        const all = Buffer.concat([body, bytes("GET / HTTP/1.1\r\n")]);
        const counting = meter({ kind: "chunked" });
        let taken = 0;
        for (const cut of [...cuts, all.byteLength]) taken += counting.take(all.subarray(taken, taken + cut));
        expect([taken, counting.done, counting.problem]).toEqual([body.byteLength, true, undefined]);
      }),
    );
  });

  test("tells a problem of what is no chunk, and takes nothing more", () => {
    for (const wrong of [
      "zz\r\n",
      "\r\n",
      "-1\r\n",
      "5\nhello",
      "5\r\nhelloX\r\n",
      "5\r\nhello\n",
      "1;\r a\r\n",
      `1;${"x".repeat(99)}`,
    ]) {
      const counting = meter({ kind: "chunked" });
      counting.take(bytes(wrong));
      expect([wrong, counting.problem !== undefined, counting.done]).toEqual([wrong, true, false]);
      expect(counting.take(bytes("0\r\n\r\n"))).toBe(0);
    }
  });

  test("counts a length, and takes everything until the close", () => {
    const counted = meter({ kind: "length", bytes: 5 });
    expect([counted.take(bytes("abc")), counted.done, counted.take(bytes("defg")), counted.done]).toEqual([
      3,
      false,
      2,
      true,
    ]);
    const open = meter({ kind: "until close" });
    expect([open.take(bytes("abc")), open.done]).toEqual([3, false]);
    expect([meter({ kind: "none" }).done, meter({ kind: "length", bytes: 0 }).done]).toEqual([true, true]);
  });
});
