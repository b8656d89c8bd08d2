/**
 * One dialled connection to a worker, and the member that it is: plain JSON both ways.
 *
 * Owns: nothing is believed of a worker but what it was given; one that is silent or talks nonsense is hung up.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import { payloadValue } from "../plain/message.ts";
import type { Clock, Timer } from "../ports.ts";
import type { Desk } from "./desk.ts";
import type { Dial, Dialed } from "./dial.ts";
import type { WorkFor } from "./messages.ts";

export type OutboundParts = {
  readonly id: string;
  readonly node: string;
  readonly pool: string;
  readonly url: string;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly capacityMax: number;
  joined(): void;
  /** Once. */
  over(why: string): void;
};

/** From the dial to `ready`. */
const readyMs = 10_000;
/** Asked so often; silent for twice as long, it is hung up. */
const heartbeatMs = 10_000;
const textMax = 65_536;
const tagsMax = 16;
const weightMax = 1_000;

export class OutboundMember {
  readonly #parts: OutboundParts;
  #socket: Dialed | undefined;
  #timer: Timer | undefined;
  #heardAt: EpochMs = 0;
  #phase: "opening" | "joining" | "member" | "over" = "opening";

  constructor(parts: OutboundParts) {
    this.#parts = parts;
  }

  open(): void {
    const { url, dial, clock, pool } = this.#parts;
    this.#timer = clock.after(readyMs, () => this.#hangUp(`not ready within ${readyMs} ms`));
    this.#socket = dial(url, {
      opened: () => this.#send({ type: "hello", pool }),
      message: (text) => this.#heard(text),
      closed: (why) => this.#over(why),
    });
  }

  /** It gets nothing new, and is hung up when it is done with what it has. */
  dismiss(): void {
    if (this.#phase === "member") return void this.#parts.desk.leave(this.#parts.id);
    this.#hangUp("not wanted any more");
  }

  #heard(text: string): void {
    if (this.#phase === "over") return;
    this.#heardAt = this.#parts.clock.now();
    const said = text.length > textMax ? undefined : parsed(text);
    if (said === undefined) return this.#hangUp("said something that is no JSON object, or too large");
    const { desk, id } = this.#parts;
    switch (said["type"]) {
      case "ready":
        return void this.#join(said);
      case "pong":
        return;
      case "done": {
        const items = Array.isArray(said["items"]) ? said["items"] : [said["item"]];
        for (const item of items) if (typeof item === "number") desk.done(id, item);
        return;
      }
      case "failed": {
        const { item, reason, delayMs } = said;
        const how = {
          reason: typeof reason === "string" ? reason.slice(0, 512) : "failed",
          ...(typeof delayMs === "number" && delayMs >= 0 ? { delayMs } : {}),
        };
        if (typeof item === "number") desk.failed(id, item, how);
        return;
      }
      default:
        return this.#hangUp(`said ${JSON.stringify(said["type"])}, expected ready, done, failed or pong`);
    }
  }

  async #join({ capacity = 1, weight = 1, tags = [] }: Said): Promise<void> {
    if (this.#phase !== "opening") return;
    const { desk, id, node, clock, capacityMax } = this.#parts;
    if (!isWhole(capacity, capacityMax)) return this.#hangUp(`capacity ${String(capacity)} is not 1 to ${capacityMax}`);
    if (!isWhole(weight, weightMax)) return this.#hangUp(`weight ${String(weight)} is not 1 to ${weightMax}`);
    if (!isTags(tags)) return this.#hangUp(`tags are at most ${tagsMax} texts`);
    this.#phase = "joining";
    const about = { id, node, session: "", subject: "outbound", draining: false, since: clock.now() };
    const answer = await desk.join(
      { ...about, capacity, weight, tags },
      { work: (work) => this.#work(work), ended: (cause) => this.#hangUp(cause) },
    );
    if (this.#phase !== "joining") return;
    if (!answer.ok) return this.#hangUp(answer.because);
    this.#phase = "member";
    this.#parts.joined();
    desk.begin(id);
    this.#beat();
  }

  #work({ item, attempt, record }: WorkFor): void {
    const { topic, id, time, headers = {}, payload } = record;
    this.#send({ type: "work", item, attempt, topic, id, time, headers, payload: payloadValue(payload) });
  }

  #beat(): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(heartbeatMs, () => {
      if (this.#parts.clock.now() - this.#heardAt > 2 * heartbeatMs) return this.#hangUp("silent");
      this.#send({ type: "ping" });
      this.#beat();
    });
  }

  #send(message: Said): void {
    if (this.#phase !== "over") this.#socket?.send(JSON.stringify(message));
  }

  #hangUp(why: string): void {
    if (this.#phase === "over") return;
    this.#send({ type: "left", cause: why });
    this.#socket?.close();
    this.#over(why);
  }

  #over(why: string): void {
    if (this.#phase === "over") return;
    const wasMember = this.#phase === "member" || this.#phase === "joining";
    this.#phase = "over";
    this.#timer?.cancel();
    if (wasMember) this.#parts.desk.gone(this.#parts.id, why);
    this.#parts.over(why);
  }
}

type Said = { readonly [name: string]: unknown };

function parsed(text: string): Said | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Said) : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= max;
}

function isTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= tagsMax && value.every((tag) => typeof tag === "string");
}
