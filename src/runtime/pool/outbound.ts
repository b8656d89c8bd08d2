/**
 * Members that are dialled: keeps as many connections to a URL as the pool wants, each a member once its worker has said
 * that it is ready. What they say to each other: docs/pools.md.
 *
 * Owns: a connection is used again for one record after the other, and ends only when it fails, is silent, or is not wanted
 * any more. One that fails is dialled again after a growing time with full jitter. Bounded: by the pool's `scaling.max`.
 * @module
 */
import type { PoolScaling } from "../../actors/pool/settings.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import type { Desk } from "./desk.ts";
import type { Dial } from "./dial.ts";
import { OutboundMember } from "./outbound-member.ts";
import type { Scaler } from "./scaler.ts";

const retryMs = 250;
const retryMsMax = 30_000;

export class Outbound implements Scaler {
  readonly #services: Services;
  readonly #desk: Desk;
  readonly #dial: Dial;
  readonly #members: OutboundMember[] = [];
  #wanted = 0;
  #url = "";
  #name = "";
  #capacityMax: number;
  /** Dialled in vain, or lost, in a row. */
  #failures = 0;
  #retry: Timer | undefined;

  constructor(services: Services, desk: Desk, dial: Dial) {
    this.#services = services;
    this.#desk = desk;
    this.#dial = dial;
    this.#capacityMax = services.limits.poolCapacityMax;
  }

  want(pool: string, members: number, { url }: PoolScaling): void {
    if (url !== this.#url) for (const member of this.#members.splice(0)) member.dismiss();
    this.#name = pool;
    this.#url = url;
    this.#wanted = members;
    if (members === 0) this.#retry?.cancel();
    while (this.#members.length > members) this.#members.pop()?.dismiss();
    this.#fill();
  }

  #fill(): void {
    if (this.#retry !== undefined) return;
    while (this.#members.length < this.#wanted) this.#open();
  }

  #open(): void {
    const { ports, node } = this.#services;
    const id = `${node}/${this.#name}/${ports.random.token(6)}`;
    const member: OutboundMember = new OutboundMember({
      ...{ id, node, pool: this.#name, url: this.#url, desk: this.#desk, clock: ports.clock, dial: this.#dial },
      capacityMax: this.#capacityMax,
      joined: () => {
        this.#failures = 0;
      },
      over: (why) => this.#lost(member, why),
    });
    this.#members.push(member);
    member.open();
  }

  #lost(member: OutboundMember, why: string): void {
    const at = this.#members.indexOf(member);
    if (at === -1) return; // It was not wanted any more.
    this.#members.splice(at, 1);
    const { clock, logger, random } = this.#services.ports;
    const delayMs = random.next() * Math.min(retryMs * 2 ** Math.min(this.#failures++, 16), retryMsMax);
    logger.log("warn", "worker lost", { pool: this.#name, url: this.#url, why, retryMs: Math.round(delayMs) });
    this.#retry ??= clock.after(delayMs, () => {
      this.#retry = undefined;
      this.#fill();
    });
  }
}
