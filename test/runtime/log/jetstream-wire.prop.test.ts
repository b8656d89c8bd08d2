/**
 * What a NATS server sends, cut into pieces anywhere: each message reaches whom it is for, whole, and everything else
 * reaches the client library as it came.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Incoming, WireReader } from "../../../src/runtime/log/jetstream/wire-reader.ts";

const ours = 7;
const headerStart = "NATS/1.0";

type Sent = {
  readonly sid: number;
  readonly subject: string;
  readonly reply: string;
  readonly header: string | undefined;
  readonly payload: Uint8Array;
};

const message: fc.Arbitrary<Sent> = fc.record({
  sid: fc.constantFrom(ours, 1, 77, 4_294_967_296),
  subject: fc.constantFrom("weir.t.orders", "weir.t.é.1", "_INBOX.a.42", "x"),
  reply: fc.constantFrom("", "$JS.ACK.WEIR.c.1.5.6.1790000000000000000.0"),
  header: fc.constantFrom(
    undefined,
    `${headerStart}\r\nNats-Msg-Id: s/1\r\n\r\n`,
    `${headerStart} 503\r\n\r\n`,
    `${headerStart}\r\nname: ü\r\n\r\n`,
  ),
  payload: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(new TextEncoder().encode("MSG a 7 3\r\nabc\r\n"))),
});
const other = fc.constantFrom(
  "PING\r\n",
  "PONG\r\n",
  "+OK\r\n",
  "-ERR 'Permissions Violation'\r\n",
  'INFO {"a":1}\r\n',
);

function bytesOf(operation: Sent | string): Buffer {
  if (typeof operation === "string") return Buffer.from(operation);
  const { sid, subject, reply, header, payload } = operation;
  const block = Buffer.from(header ?? "");
  const to = reply === "" ? `${subject} ${sid}` : `${subject} ${sid} ${reply}`;
  const line =
    header === undefined
      ? `MSG ${to} ${payload.length}\r\n`
      : `HMSG ${to} ${block.length} ${block.length + payload.length}\r\n`;
  return Buffer.concat([Buffer.from(line), block, payload, Buffer.from("\r\n")]);
}

function seenOf(incoming: Incoming): Omit<Sent, "sid"> {
  const { subject, reply, headers, bytes, from, to } = incoming;
  const found: string[] = [];
  headers?.each((name, value) => found.push(`${name}: ${value}\r\n`));
  const code = headers?.code ?? 0;
  const start = code === 0 ? headerStart : `${headerStart} ${code}`;
  const header = headers === undefined ? undefined : `${start}\r\n${found.join("")}\r\n`;
  return { subject, reply, header, payload: bytes.slice(from, to) };
}

/** Cuts at places that `cuts` names. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const found: Buffer[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    found.push(bytes.subarray(from, place));
    from = place;
  }
  return found;
}

test("take() gives each message to whom it is for, and the rest on, wherever the bytes were cut", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(message, other), { maxLength: 12 }), fc.array(fc.nat()), (operations, cuts) => {
      const received: Omit<Sent, "sid">[] = [];
      const passed: Buffer[] = [];
      const reader = new WireReader(new Map([[ours, (incoming) => received.push(seenOf(incoming))]]), (bytes) =>
        passed.push(Buffer.from(bytes)),
      );
      for (const piece of pieces(Buffer.concat(operations.map(bytesOf)), cuts)) reader.take(piece);
      const isOurs = (one: Sent | string): one is Sent => typeof one !== "string" && one.sid === ours;
      expect(received).toEqual(operations.filter(isOurs).map(({ sid: _, ...rest }) => rest));
      const rest = operations.filter((one) => !isOurs(one)).map(bytesOf);
      expect(Buffer.concat(passed).equals(Buffer.concat(rest))).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("take() gives the library what came before a message, before that message", () => {
  const order: string[] = [];
  const reader = new WireReader(new Map([[ours, ({ subject }) => order.push(subject)]]), (bytes) =>
    order.push(Buffer.from(bytes).toString()),
  );
  reader.take(Buffer.from(`PING\r\nMSG a ${ours} 1\r\nx\r\nPONG\r\nMSG b ${ours} 0\r\n\r\n`));
  expect(order).toEqual(["PING\r\n", "a", "PONG\r\n", "b"]);
});

test("take() reads a message that comes in many pieces once", () => {
  const payload = new Uint8Array(1_000_000).fill(7);
  const bytes = bytesOf({ sid: ours, subject: "large", reply: "", header: undefined, payload });
  const received: number[] = [];
  const reader = new WireReader(new Map([[ours, ({ from, to }) => received.push(to - from)]]), () => undefined);
  for (let from = 0; from < bytes.length; from += 4_096) reader.take(bytes.subarray(from, from + 4_096));
  expect(received).toEqual([payload.length]);
});
