/**
 * What the benchmark's records carry: their number and when they were sent, in 200 bytes.
 * @module
 */

export const payloadBytes = 200;

const stamp = new Float64Array(1);
const stampBytes = new Uint8Array(stamp.buffer);

/** Writes number and time into the payload's first 16 bytes. */
export function writePayload(payload: Uint8Array, index: number, sentAt: number): void {
  payload[0] = index;
  payload[1] = index >>> 8;
  payload[2] = index >>> 16;
  payload[3] = index >>> 24;
  stamp[0] = sentAt;
  payload.set(stampBytes, 8);
}

export function payloadIndex(payload: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = payload;
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

export function payloadSentAt(payload: Uint8Array): number {
  for (let i = 0; i < 8; i += 1) stampBytes[i] = payload[8 + i] as number;
  return stamp[0] as number;
}

/** Payloads to be filled again and again: a batch is encoded before the next one is written. */
export function payloadPool(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(payloadBytes).fill(0x61));
}

const pad = "a".repeat(payloadBytes);

/** The same as text, for protocols of text: `<index>|<sentAt>|aaaa…`, 200 characters. */
export function textPayload(index: number, sentAt: number): string {
  const head = `${index}|${sentAt}|`;
  return head + pad.slice(head.length);
}

export function readText(payload: string): { index: number; sentAt: number } {
  const first = payload.indexOf("|");
  const second = payload.indexOf("|", first + 1);
  return { index: Number(payload.slice(0, first)), sentAt: Number(payload.slice(first + 1, second)) };
}
