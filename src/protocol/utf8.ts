/**
 * Counts UTF-8 bytes of text without making them: limits of the wire are in bytes.
 *
 * Pure.
 * @module
 */

/** Bytes that `text` takes in UTF-8; a lone surrogate counts as the three of U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isPair(unit, text.charCodeAt(at + 1))) {
      bytes += 2; // four bytes, of which two units are counted
      at += 1;
    } else bytes += 2;
  }
  return bytes;
}

/** Whether `text` takes at most `max` bytes in UTF-8; looks at the characters only where the length leaves a doubt. */
export function fitsUtf8(text: string, max: number): boolean {
  if (text.length > max) return false;
  return text.length * 3 <= max || utf8Length(text) <= max;
}

function isPair(high: number, low: number): boolean {
  return high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
}
