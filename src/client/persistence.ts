/**
 * What the SDK writes into a store and under which keys, and how it is read again at the next start.
 *
 * `session` {session, resumeKey} · `outbox` {sent} · `publish/<n>` record · `position/<lane>/<filter>` {epoch, seq} ·
 * `nak/<lane>/<seq>/<filter>` {attempt} · `transactions` {next}
 * @module
 */
import type { PublishRecord } from "../protocol/frame.ts";
import type { LogEpoch, Seq, SessionId } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import type { ClientStore, StoredValue, StoreWriter } from "./store.ts";

export type SavedSession = { readonly session: SessionId; readonly resumeKey: string };
export type SavedPosition = { readonly epoch: LogEpoch; readonly seq: Seq };
export type SavedNak = { readonly lane: Lane; readonly seq: Seq; readonly attempt: number };

export type SavedState = {
  readonly session: SavedSession | undefined;
  /** Publishes up to this number may have left the process. */
  readonly sent: number;
  /** In order of numbers. */
  readonly publishes: readonly { readonly n: number; readonly record: PublishRecord }[];
  readonly transactionsNext: number;
};

export class Persistence {
  readonly #store: ClientStore;
  readonly writer: StoreWriter;
  readonly #positions = new Map<string, SavedPosition>();
  readonly #naks = new Map<string, SavedNak[]>();

  constructor(store: ClientStore, writer: StoreWriter) {
    this.#store = store;
    this.writer = writer;
  }

  async load(): Promise<SavedState> {
    const entries = await this.#store.load();
    const publishes: { n: number; record: PublishRecord }[] = [];
    for (const [key, value] of entries) {
      const [kind, first, ...rest] = key.split("/");
      if (kind === "publish") publishes.push({ n: Number(first), record: value as PublishRecord });
      else if (kind === "position") this.#positions.set(key, value as SavedPosition);
      else if (kind === "nak") this.#loadNak(Number(first) as Lane, rest, value as { attempt: number });
    }
    publishes.sort((a, b) => a.n - b.n);
    return {
      session: entries.get("session") as SavedSession | undefined,
      sent: (entries.get("outbox") as { sent: number } | undefined)?.sent ?? 0,
      publishes,
      transactionsNext: (entries.get("transactions") as { next: number } | undefined)?.next ?? 1,
    };
  }

  put(key: "session" | "outbox" | "transactions" | `publish/${number}`, value: StoredValue | undefined): void {
    this.writer.put(key, value);
  }

  position(filter: string, lane: Lane): SavedPosition | undefined {
    return this.#positions.get(positionKey(filter, lane));
  }
  putPosition(filter: string, lane: Lane, position: SavedPosition | undefined): void {
    const key = positionKey(filter, lane);
    if (position === undefined) this.#positions.delete(key);
    else this.#positions.set(key, position);
    this.writer.put(key, position);
  }

  /** Records of the filter that were given back and had not come again. */
  naks(filter: string): readonly SavedNak[] {
    return this.#naks.get(filter) ?? [];
  }
  putNak(filter: string, nak: SavedNak, held: boolean): void {
    this.writer.put(`nak/${nak.lane}/${nak.seq}/${filter}`, held ? { attempt: nak.attempt } : undefined);
  }

  async close(): Promise<void> {
    await this.writer.flush();
    await this.#store.close();
  }

  /** The filter comes last in the key: topics may hold slashes. */
  #loadNak(lane: Lane, rest: readonly string[], value: { attempt: number }): void {
    const filter = rest.slice(1).join("/");
    const list = this.#naks.get(filter) ?? [];
    list.push({ lane, seq: Number(rest[0]), attempt: value.attempt });
    this.#naks.set(filter, list);
  }
}

function positionKey(filter: string, lane: Lane): string {
  return `position/${lane}/${filter}`;
}
