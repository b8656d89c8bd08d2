/**
 * What a load generator asks of a protocol: publish, subscribe, stay idle, come back. One file per protocol.
 * @module
 */

export type Publisher = {
  /** Sends `count` records numbered from `first`: one frame where the protocol has batches. */
  publish(topic: string, batch: Batch): void;
  /** Records that the server has answered for. */
  settled(): number;
  /** Records that may be sent now by the protocol's own flow control. */
  room(): number;
};
export type Batch = {
  readonly first: number;
  readonly count: number;
  readonly sentAt: number;
  /** Ask the server for a frame per record (rivals that have no tick of their own to collect in). */
  readonly apart: boolean;
};

export type Subscriber = {
  /** Cuts the connection, as a lost network would. */
  drop(): void;
  /** Connects again with what the protocol offers for resuming. Resolves when the server has agreed. */
  resume(): Promise<void>;
  /** Records that the protocol itself found twice and kept from the application. */
  skipped(): number;
};

export type SubscribeOptions = {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  onRecord(index: number, sentAt: number): void;
};

export type DialectOptions = {
  readonly port: number;
  /** Called after the frames of a chunk, and when publishes were answered. */
  onProgress(): void;
  /** A failure that makes the run worthless. */
  onFailure(reason: string): void;
};

export type Dialect = {
  openPublisher(): Promise<Publisher>;
  openSubscriber(options: SubscribeOptions): Promise<Subscriber>;
  /** A peer that is attached and does nothing but answer heartbeats. */
  openIdle(): Promise<void>;
  /** What the server promised, for the report (durability tier …). */
  describe(): string;
};

export const dialectNames = ["relay", "socketio", "mqtt", "weir", "weir-sdk"] as const;
export type DialectName = (typeof dialectNames)[number];

/** Loaded on demand, so that a rival's generator runs without the rest. */
export async function openDialect(name: DialectName, options: DialectOptions): Promise<Dialect> {
  switch (name) {
    case "relay":
      return (await import("./relay.ts")).relayDialect(options);
    case "socketio":
      return (await import("./socketio.ts")).socketioDialect(options);
    case "mqtt":
      return (await import("./mqtt.ts")).mqttDialect(options);
    case "weir":
      return (await import("./weir.ts")).weirDialect(options);
    case "weir-sdk":
      return (await import("./weir-sdk.ts")).weirSdkDialect(options);
  }
}
