/**
 * MQTT 3.1.1 packets: the few that a load generator needs, and a parser for a stream of them.
 * @module
 */

export const packet = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
} as const;

const encoder = new TextEncoder();

/** First byte, remaining length, body. */
function frame(first: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = body.byteLength;
  do {
    length.push(rest > 127 ? (rest % 128) | 0x80 : rest);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  const out = new Uint8Array(1 + length.length + body.byteLength);
  out[0] = first;
  out.set(length, 1);
  out.set(body, 1 + length.length);
  return out;
}

function text(value: string): number[] {
  const bytes = encoder.encode(value);
  return [bytes.byteLength >> 8, bytes.byteLength & 0xff, ...bytes];
}

/** Keep-alive 0: none. A session that is not clean outlives its connection. */
export function connectPacket(clientId: string, clean: boolean): Uint8Array {
  return frame(0x10, Uint8Array.from([...text("MQTT"), 4, clean ? 2 : 0, 0, 0, ...text(clientId)]));
}

export function subscribePacket(id: number, topic: string, qos: number): Uint8Array {
  return frame(0x82, Uint8Array.from([id >> 8, id & 0xff, ...text(topic), qos]));
}

export function publishPacket(id: number, topic: string, qos: number, payload: Uint8Array): Uint8Array {
  const head = qos === 0 ? text(topic) : [...text(topic), id >> 8, id & 0xff];
  const body = new Uint8Array(head.length + payload.byteLength);
  body.set(head);
  body.set(payload, head.length);
  return frame(0x30 | (qos << 1), body);
}

/** PUBACK, PUBREC, PUBREL (its flags are fixed to 2) and PUBCOMP. */
export function answerPacket(kind: number, id: number): Uint8Array {
  return Uint8Array.of((kind << 4) | (kind === packet.pubrel ? 2 : 0), 2, id >> 8, id & 0xff);
}

export type Received = { readonly kind: number; readonly flags: number; readonly body: Uint8Array };

/** A WebSocket frame holds any part of the packet stream: keeps what is not whole yet. */
export class PacketReader {
  #rest: Uint8Array = new Uint8Array(0);

  read(data: Uint8Array, each: (received: Received) => void): void {
    const all = this.#rest.byteLength === 0 ? data : Buffer.concat([this.#rest, data]);
    let at = 0;
    for (;;) {
      const start = bodyStart(all, at);
      if (start === undefined || start.at + start.length > all.byteLength) break;
      const first = all[at] as number;
      each({ kind: first >> 4, flags: first & 0x0f, body: all.subarray(start.at, start.at + start.length) });
      at = start.at + start.length;
    }
    this.#rest = all.slice(at);
  }
}

function bodyStart(all: Uint8Array, at: number): { at: number; length: number } | undefined {
  let length = 0;
  for (let i = 0; i < 4; i += 1) {
    const byte = all[at + 1 + i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return { at: at + 2 + i, length };
  }
  return undefined;
}

/** Topic's end, packet id (0 at QoS 0) and payload of a PUBLISH. */
export function readPublish({ flags, body }: Received): { qos: number; id: number; payload: Uint8Array } {
  const qos = (flags >> 1) & 3;
  const end = 2 + (((body[0] as number) << 8) | (body[1] as number));
  if (qos === 0) return { qos, id: 0, payload: body.subarray(end) };
  return { qos, id: readId(body, end), payload: body.subarray(end + 2) };
}

export function readId(body: Uint8Array, at = 0): number {
  return ((body[at] as number) << 8) | (body[at + 1] as number);
}
