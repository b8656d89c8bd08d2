/**
 * Types of relay-frames.mjs, for the half of the harness that is TypeScript.
 * @module
 */
export declare const relayFrames: {
  readonly subscribe: 1;
  readonly subscribed: 2;
  readonly publish: 3;
  readonly publishApart: 4;
  readonly records: 5;
  readonly published: 6;
};
export declare const recordBytes: number;
export declare function readRelayFrame(frame: Uint8Array): { kind: number; topic: string; body: Uint8Array };
export declare function outgoing(publish: { kind: number; body: Uint8Array }): Uint8Array<ArrayBuffer>[];
export declare function publishedFrame(body: Uint8Array): Uint8Array<ArrayBuffer>;
