/**
 * A member of a pool by frames alone, and a pool that is ready for it.
 */
import { type PoolSettings, poolDefaults } from "../../src/actors/pool/settings.ts";
import type { Work } from "../../src/protocol/feature-frame.ts";
import type { Gateway } from "../../src/runtime/gateway.ts";
import type { PoolView } from "../../src/runtime/pool/pool-view.ts";
import { type Client, text } from "../conformance/world.ts";
import { until } from "./stage.ts";

export async function makePool(gateway: Gateway, name: string, settings: Partial<PoolSettings> = {}): Promise<void> {
  const made = await gateway.pools().create(name, { ...poolDefaults, filters: ["jobs.>"], ...settings }, "test");
  if (!made.ok) throw new Error(`Pool not made: ${made.because} ${made.message}`);
  await until(async () => (await gateway.pools().view(name))?.coordinator !== undefined, "somebody coordinates it");
}

export async function viewOf(gateway: Gateway, name: string): Promise<PoolView> {
  const view = await gateway.pools().view(name);
  if (view === undefined) throw new Error(`No pool ${name}`);
  return view;
}

export type JoinOptions = { readonly weight?: number; readonly capacity?: number; readonly tags?: readonly string[] };

export class PoolPeer {
  readonly client: Client;
  readonly pool: string;
  readonly member: string;

  private constructor(client: Client, pool: string, member: string) {
    this.client = client;
    this.pool = pool;
    this.member = member;
  }

  static async join(client: Client, pool: string, options: JoinOptions = {}): Promise<PoolPeer> {
    const ref = client.ref();
    client.peer.send({ type: "join", ref, pool, ...options });
    const { member } = await client.peer.expect("joined", (frame) => frame.ref === ref);
    return new PoolPeer(client, pool, member);
  }

  async take(count: number): Promise<Work[]> {
    const works: Work[] = [];
    while (works.length < count) works.push(await this.client.peer.expect("work", ({ pool }) => pool === this.pool));
    return works;
  }

  done(works: readonly { readonly item: number }[]): void {
    this.client.peer.send({ type: "done", pool: this.pool, items: works.map(({ item }) => item) });
  }

  fail(work: Work, how: { readonly reason?: string; readonly delayMs?: number } = {}): void {
    this.client.peer.send({ type: "failed", pool: this.pool, item: work.item, ...how });
  }

  /** Does everything that comes, until nothing has come for a while that the fence waits for. */
  get unread(): readonly Work[] {
    return this.client.peer.unread("work");
  }
}

export function payloads(works: readonly Work[]): string[] {
  return works.map(({ record }) => text(record.payload));
}
