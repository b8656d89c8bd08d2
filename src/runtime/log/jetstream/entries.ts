/**
 * Several entries of a journal as one payload: each with its length before it, so that one append is one message.
 *
 * Pure.
 * @module
 */

const lengthBytes = 4;

export function packEntries(entries: readonly Uint8Array[]): Uint8Array {
  const size = entries.reduce((sum, entry) => sum + lengthBytes + entry.byteLength, 0);
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const entry of entries) {
    view.setUint32(at, entry.byteLength);
    packed.set(entry, at + lengthBytes);
    at += lengthBytes + entry.byteLength;
  }
  return packed;
}

/** Throws when the payload is cut off: somebody else wrote it. */
export function unpackEntries(packed: Uint8Array): Uint8Array[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const entries: Uint8Array[] = [];
  for (let at = 0; at < packed.byteLength; ) {
    const end =
      at + lengthBytes + (at + lengthBytes <= packed.byteLength ? view.getUint32(at) : Number.POSITIVE_INFINITY);
    if (end > packed.byteLength) throw new Error(`Entries of ${packed.byteLength} bytes are cut off at ${at}`);
    entries.push(packed.slice(at + lengthBytes, end));
    at = end;
  }
  return entries;
}
