/**
 * A subscriber on a bare TCP socket, by the receiver's rule alone, that can stop reading: what arrives goes to
 * `onRecord` once and in chain order, holes are asked for again, and what was received is acknowledged.
 * @module
 */
import { msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import type { Deliver, DeliveredRecord, Frame, Qos, Window } from "../../src/protocol/frame.ts";
import type { ChainId, Seq } from "../../src/protocol/ids.ts";
import { limits } from "../../src/protocol/limits.ts";
import { receive } from "../../src/protocol/position.ts";
import { type RawWebSocket, rawWebSocket } from "../support/raw-websocket.ts";

export type RawReaderOptions = {
  readonly url: string;
  readonly filter: string;
  readonly qos: Qos;
  readonly window?: Window;
  readonly congestion?: "skip" | "conflate";
  readonly onRecord: (record: DeliveredRecord) => void;
};

const ackEvery = 8;
const sayMs = 5_000;

export class RawReader {
  readonly #options: RawReaderOptions;
  readonly #socket: RawWebSocket;
  readonly #last = new Map<ChainId, Seq>();
  readonly #subscribed = Promise.withResolvers<void>();
  readonly #talking: ReturnType<typeof setInterval>;
  #unacknowledged = 0;
  holes = 0;
  closed: number | undefined;

  private constructor(options: RawReaderOptions) {
    this.#options = options;
    const { url, filter, qos, window, congestion } = options;
    const asked = { ...(window === undefined ? {} : { window }), ...(congestion === undefined ? {} : { congestion }) };
    this.#socket = rawWebSocket({
      url,
      subprotocols: ["weir.v1.msgpack"],
      events: {
        open: () => {
          this.#send({ type: "hello" });
          this.#send({ type: "subscribe", ref: 1, filter, qos, ...asked });
        },
        message: (data) => this.#receive(data as Uint8Array),
        close: (code) => {
          this.closed = code;
        },
      },
    });
    // It reads nothing, but it is there: what it says keeps the heartbeat content.
    this.#talking = setInterval(() => this.#send({ type: "ping", id: 1 }), sayMs);
  }

  /** Resolves when it is subscribed. */
  static async open(options: RawReaderOptions): Promise<RawReader> {
    const reader = new RawReader(options);
    await reader.#subscribed.promise;
    return reader;
  }

  stall(): void {
    this.#socket.stall();
  }
  unstall(): void {
    this.#socket.unstall();
  }
  close(): void {
    clearInterval(this.#talking);
    this.#socket.unstall();
    this.#socket.close(1000, "");
  }

  #send(frame: Frame): void {
    this.#socket.send(msgpackCodec.encode(frame));
  }

  #receive(data: Uint8Array): void {
    const decoded = msgpackCodec.decode(data, limits);
    if (!decoded.ok) throw new Error(`Frame does not decode: ${decoded.message}`);
    const { frame } = decoded;
    if (frame.type === "deliver") return this.#deliver(frame);
    if (frame.type === "ping") return this.#send({ type: "pong", id: frame.id });
    if (frame.type !== "subscribed") return;
    for (const { chain, last } of frame.chains) this.#last.set(chain, last);
    this.#subscribed.resolve();
  }

  #deliver(frame: Deliver): void {
    const { chain, prev, records } = frame;
    const last = this.#last.get(chain) ?? 0;
    const upTo = frame.upTo ?? records.at(-1)?.seq ?? prev;
    // At QoS 0 what passed by is gone.
    const verdict = this.#options.qos === 0 && prev > last ? "accept" : receive(last, { prev, upTo });
    if (verdict === "seen") return;
    if (verdict === "hole") {
      this.holes++;
      return this.#send({
        type: "credit",
        filter: this.#options.filter,
        records: 0,
        bytes: 0,
        holes: [{ chain, seq: last }],
      });
    }
    for (const record of records) if (record.seq > last) this.#options.onRecord(record);
    this.#last.set(chain, upTo);
    this.#unacknowledged += records.length;
    if (this.#options.qos > 0 && this.#unacknowledged >= ackEvery) this.acknowledge();
  }

  acknowledge(): void {
    this.#unacknowledged = 0;
    this.#send({ type: "ack", upTo: [...this.#last].map(([chain, seq]) => ({ chain, seq })) });
  }
}
