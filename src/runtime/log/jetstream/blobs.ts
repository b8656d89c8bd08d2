/**
 * Blobs in a NATS object store.
 * @module
 */
import { type ObjectStore, Objm } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Blobs, LogFailure } from "../event-log.ts";
import type { Names } from "./subjects.ts";
import { encodeToken } from "./subjects.ts";

const blobTimeoutMs = 30_000;

export class JetStreamBlobs implements Blobs {
  readonly #nc: NatsConnection;
  readonly #names: Names;
  #store: Promise<ObjectStore> | undefined;

  constructor(nc: NatsConnection, names: Names) {
    this.#nc = nc;
    this.#names = names;
  }

  async put(name: string, data: Uint8Array): Promise<{ readonly ok: true } | LogFailure> {
    try {
      const store = await this.#open();
      await store.putBlob({ name: encodeToken(name) }, data, { timeout: blobTimeoutMs });
      return { ok: true };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, code: "unavailable", message, retryable: true };
    }
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return (await (await this.#open()).getBlob(encodeToken(name))) ?? undefined;
  }

  async delete(name: string): Promise<void> {
    const store = await this.#open();
    if ((await store.info(encodeToken(name))) !== null) await store.delete(encodeToken(name));
  }

  #open(): Promise<ObjectStore> {
    this.#store ??= new Objm(this.#nc).open(this.#names.blobs);
    return this.#store;
  }
}
