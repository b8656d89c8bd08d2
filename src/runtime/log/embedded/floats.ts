/**
 * Numbers in stored values: little endian f64, so that every seq and time fits.
 *
 * Pure.
 * @module
 */
export function floats(...numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(numbers).buffer);
}

export function float(bytes: Uint8Array, index: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(index * 8, true);
}
