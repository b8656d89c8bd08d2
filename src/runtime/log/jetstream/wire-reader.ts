/**
 * Reads what a NATS server sends as bytes: messages of the subscriptions that somebody here reads go to them, all the
 * rest to the client library, untouched and in order.
 *
 * Owns: an operation is handed over whole, once.
 * @module
 */
import { HeaderBlock } from "./header-block.ts";

/** A message as it came, until whom it is for returns. */
export type Incoming = {
  readonly subject: string;
  /** "" where there is none. */
  readonly reply: string;
  readonly headers: HeaderBlock | undefined;
  /** The payload is `bytes` from `from` to `to`: part of what the socket gave, so copy it to keep it. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** What the subject says after so many characters, all of them digits. */
  numberAfter(characters: number): number;
};
export type Receive = (message: Incoming) => void;

const [newLine, carriageReturn, space, zero, letterH, letterM] = [10, 13, 32, 48, 72, 77] as const;
/** Of `HMSG <subject> <sid> <reply> <header bytes> <bytes>`, after the first. */
const spacesMax = 4;

export class WireReader {
  readonly #receivers: ReadonlyMap<number, Receive>;
  readonly #pass: (bytes: Uint8Array) => void;
  readonly #spaces = new Int32Array(spacesMax);
  readonly #incoming = new WireMessage();
  /** The beginning of an operation whose end has not come yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** So many bytes it has at least. */
  #needed = 0;

  /** `receivers`: by the number of the subscription. */
  constructor(receivers: ReadonlyMap<number, Receive>, pass: (bytes: Uint8Array) => void) {
    this.#receivers = receivers;
    this.#pass = pass;
  }

  take(chunk: Uint8Array): void {
    const bytes = this.#joined(chunk);
    if (bytes === undefined) return;
    let at = 0;
    let passFrom = 0;
    this.#needed = 0;
    this.#incoming.chunk(bytes);
    while (at < bytes.length) {
      const first = bytes[at];
      const isMessage = first === letterM || first === letterH;
      const end = isMessage ? this.#message(bytes, at, passFrom) : bytes.indexOf(newLine, at) + 1;
      if (end === 0) break;
      // Negative: it was received here.
      if (end < 0) passFrom = -end;
      at = Math.abs(end);
    }
    if (passFrom < at) this.#pass(bytes.subarray(passFrom, at));
    if (at < bytes.length) this.#hold(bytes.subarray(at));
  }

  #joined(chunk: Uint8Array): Buffer | undefined {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#heldBytes === 0) return bytes;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes < this.#needed) return undefined;
    const whole = Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return whole;
  }

  #hold(rest: Buffer): void {
    this.#held.push(rest);
    this.#heldBytes = rest.length;
  }

  /** Where the message ends, negative when somebody here has it; 0: not all of it is there. */
  #message(bytes: Buffer, at: number, passFrom: number): number {
    const spaces = this.#spaces;
    const hasHeaders = bytes[at] === letterH;
    const subjectAt = at + (hasHeaders ? 5 : 4);
    let count = 0;
    let i = subjectAt;
    for (; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === carriageReturn) break;
      if (byte === space && count < spacesMax) spaces[count++] = i;
    }
    if (i >= bytes.length - 1) return 0;
    const dataAt = i + 2;
    const end = dataAt + digits(bytes, (spaces[count - 1] as number) + 1, i);
    if (end + 2 > bytes.length) {
      this.#needed = end + 2 - at;
      return 0;
    }
    const subjectEnd = spaces[0] as number;
    const sidEnd = spaces[1] as number;
    const receive = this.#receivers.get(digits(bytes, subjectEnd + 1, sidEnd));
    if (receive === undefined) return end + 2;
    if (passFrom < at) this.#pass(bytes.subarray(passFrom, at));
    const message = this.#incoming;
    message.subjectAt = subjectAt;
    message.subjectEnd = subjectEnd;
    message.replyAt = sidEnd + 1;
    message.replyEnd = count === (hasHeaders ? 4 : 3) ? (spaces[2] as number) : message.replyAt;
    message.headersAt = dataAt;
    message.from = hasHeaders
      ? dataAt + digits(bytes, (spaces[count - 2] as number) + 1, spaces[count - 1] as number)
      : dataAt;
    message.to = end;
    receive(message);
    return -(end + 2);
  }
}

/** One for all messages: made anew for each, they would be a part of what each costs. */
class WireMessage implements Incoming {
  bytes: Uint8Array = new Uint8Array(0);
  subjectAt = 0;
  subjectEnd = 0;
  replyAt = 0;
  replyEnd = 0;
  headersAt = 0;
  from = 0;
  to = 0;
  #text: Buffer = Buffer.alloc(0);
  #subject = "";
  #subjectBytes: Buffer = Buffer.alloc(0);

  chunk(bytes: Buffer): void {
    this.#text = bytes;
    // No Buffer: its `slice` is a view, and who copies with `slice` would copy nothing.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Most often the same as of the message before. */
  get subject(): string {
    const known = this.#subjectBytes;
    const length = this.subjectEnd - this.subjectAt;
    let same = known.length === length;
    for (let i = 0; same && i < length; i++) same = known[i] === this.bytes[this.subjectAt + i];
    if (!same) {
      this.#subjectBytes = Buffer.from(this.bytes.slice(this.subjectAt, this.subjectEnd));
      this.#subject = this.#subjectBytes.toString();
    }
    return this.#subject;
  }
  get reply(): string {
    return this.#text.toString("latin1", this.replyAt, this.replyEnd);
  }
  get headers(): HeaderBlock | undefined {
    return this.from === this.headersAt ? undefined : new HeaderBlock(this.#text.subarray(this.headersAt, this.from));
  }
  numberAfter(characters: number): number {
    return digits(this.#text, this.subjectAt + characters, this.subjectEnd);
  }
}

function digits(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + (bytes[i] as number) - zero;
  return value;
}
