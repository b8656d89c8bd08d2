/**
 * What the parts of a pool's coordinator (its roster, its failures) see of it.
 *
 * Types only.
 * @module
 */
import type { PoolCommand, PoolDecision } from "../../actors/pool/decide.ts";
import type { Ledger } from "../../actors/pool/ledger.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { LogRecord } from "../log/event-log.ts";
import type { Services } from "../services.ts";
import type { ToNode } from "./messages.ts";
import type { PoolStore } from "./pool-store.ts";

/** A command without its time. */
export type Untimed<T> = T extends { readonly at: unknown } ? Omit<T, "at"> : never;

export type CoordinatorLink = {
  toNode(node: string, message: ToNode): void;
  toAll(message: ToNode): void;
};

export type PoolContext = {
  readonly name: string;
  readonly services: Services;
  readonly store: PoolStore;
  readonly ledger: Ledger<LogRecord>;
  readonly link: CoordinatorLink;
  readonly term: number;
  /** It gives out work: members have told what they had. */
  readonly begun: boolean;
  now(): EpochMs;
  record(command: Untimed<PoolCommand>): Promise<PoolDecision>;
  /** Records at these places (ascending), as far as the log holds them. */
  read(seqs: readonly Seq[]): Promise<ReadonlyMap<Seq, LogRecord>>;
  /** Something is to be journalled soon, and perhaps something can be given out. */
  moved(): void;
  /** Work of its own; that it cannot be done ends the coordinator. */
  guard(work: Promise<unknown>): void;
};
