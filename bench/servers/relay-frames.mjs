/**
 * Frames of the bare relays, first byte: kind. subscribe, publish and publishApart go on with the topic
 * (length byte, text); publishes then hold records of 200 bytes. Plain JavaScript because Node runs it too.
 * @module
 */
export const relayFrames = {
  subscribe: 1,
  subscribed: 2,
  /** One frame to each subscriber with all the records. */
  publish: 3,
  /** One frame to each subscriber for each record. */
  publishApart: 4,
  /** To subscribers: records. */
  records: 5,
  /** To the publisher: count, little endian in two bytes. */
  published: 6,
};
export const recordBytes = 200;

/**
 * @param {Uint8Array} frame
 * @returns {{ kind: number, topic: string, body: Uint8Array }}
 */
export function readRelayFrame(frame) {
  const end = 2 + frame[1];
  return {
    kind: frame[0],
    topic: Buffer.from(frame.buffer, frame.byteOffset + 2, frame[1]).toString(),
    body: frame.subarray(end),
  };
}

/**
 * The frames that subscribers get for a publish.
 * @param {{ kind: number, body: Uint8Array }} publish
 * @returns {Uint8Array[]}
 */
export function outgoing({ kind, body }) {
  const step = kind === relayFrames.publish ? body.byteLength : recordBytes;
  const frames = [];
  for (let at = 0; at < body.byteLength; at += step) {
    const frame = Buffer.allocUnsafe(1 + step);
    frame[0] = relayFrames.records;
    frame.set(body.subarray(at, at + step), 1);
    frames.push(frame);
  }
  return frames;
}

/**
 * @param {Uint8Array} body
 * @returns {Uint8Array}
 */
export function publishedFrame(body) {
  const count = body.byteLength / recordBytes;
  return Uint8Array.of(relayFrames.published, count & 0xff, count >> 8);
}
