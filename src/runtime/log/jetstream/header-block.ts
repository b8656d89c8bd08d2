/**
 * The headers of a message that was received, read only as far as somebody asks. The library's own reading makes a
 * map, an array and several strings of each header of each message; a follower does that for every record.
 * @module
 */
import type { Msg } from "@nats-io/transport-node";

const decoder = new TextDecoder();
const lineEnd = "\r\n";

export class HeaderBlock {
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get #block(): string {
    this.#text ??= this.#bytes instanceof Buffer ? this.#bytes.toString() : decoder.decode(this.#bytes);
    return this.#text;
  }

  /** For who keeps it: the bytes are part of what the socket gave. */
  copy(): HeaderBlock {
    return new HeaderBlock(this.#bytes.slice());
  }

  /** 0: it is no status. */
  get code(): number {
    // "NATS/1.0 503 No Responders"
    return this.#bytes[8] === 32 ? Number.parseInt(this.#block.slice(9, 12), 10) : 0;
  }

  /** The first value; "" where there is none. */
  get(name: string): string {
    const block = this.#block;
    const at = block.indexOf(`${lineEnd}${name}:`);
    if (at < 0) return "";
    const from = at + lineEnd.length + name.length + 1;
    return block.slice(from, block.indexOf(lineEnd, from)).trim();
  }

  /** The value, where this is the only header. */
  only(name: string): string | undefined {
    const block = this.#block;
    const at = block.indexOf(lineEnd) + lineEnd.length;
    if (!block.startsWith(`${name}:`, at)) return undefined;
    const end = block.indexOf(lineEnd, at);
    return end === block.length - 2 * lineEnd.length ? block.slice(at + name.length + 1, end).trim() : undefined;
  }

  each(visit: (name: string, value: string) => void): void {
    const block = this.#block;
    for (let from = block.indexOf(lineEnd) + lineEnd.length; from < block.length; ) {
      const end = block.indexOf(lineEnd, from);
      if (end <= from) return;
      const colon = block.indexOf(":", from);
      if (colon > from && colon < end) visit(block.slice(from, colon), block.slice(colon + 1, end).trim());
      from = end + lineEnd.length;
    }
  }
}

type Inside = { readonly _rdata?: Uint8Array; readonly _msg?: { readonly hdr: number } };

/** The bytes as they came, where the library lets them be seen; else made again from what it has read. */
export function headersOf(message: Msg): HeaderBlock | undefined {
  const { _rdata, _msg } = message as unknown as Inside;
  if (_rdata !== undefined && typeof _msg?.hdr === "number")
    return _msg.hdr > 0 ? new HeaderBlock(_rdata.subarray(0, _msg.hdr)) : undefined;
  const read = message.headers as unknown as { encode(): Uint8Array } | undefined;
  return read === undefined ? undefined : new HeaderBlock(read.encode());
}
