/**
 * Bytes as a Buffer, which can search and decode them: what sockets give is one already, and to make another costs more
 * than the search.
 *
 * Pure.
 * @module
 */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
