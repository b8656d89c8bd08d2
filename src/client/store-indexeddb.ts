/**
 * A store in IndexedDB, for browsers: one database a name, one object store, one transaction a batch with strict
 * durability.
 * @module
 */
import type { ClientStore, StoredValue } from "./store.ts";

const storeName = "weir";

export type IndexedDbStoreOptions = {
  /** Name of the database; clients that run at the same time need different ones. */
  readonly name: string;
  /** @default globalThis.indexedDB */
  readonly factory?: IDBFactory;
};

export function indexedDbStore(options: IndexedDbStoreOptions): ClientStore {
  const factory = options.factory ?? globalThis.indexedDB;
  let opened: Promise<IDBDatabase> | undefined;
  const database = (): Promise<IDBDatabase> => {
    opened ??= openDatabase(factory, options.name).catch((error: unknown) => {
      opened = undefined; // The next call tries again.
      throw error;
    });
    return opened;
  };
  return {
    async load() {
      const store = (await database()).transaction(storeName, "readonly").objectStore(storeName);
      const [keys, values] = await Promise.all([settled(store.getAllKeys()), settled(store.getAll())]);
      return new Map<string, StoredValue>(keys.map((key, i) => [String(key), values[i]]));
    },
    async write(changes) {
      const transaction = (await database()).transaction(storeName, "readwrite", { durability: "strict" });
      const store = transaction.objectStore(storeName);
      for (const { key, value } of changes) {
        if (value === undefined) store.delete(key);
        else store.put(value, key);
      }
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB aborted the write"));
      });
    },
    async close() {
      if (opened !== undefined) (await opened).close();
      opened = undefined;
    },
  };
}

function openDatabase(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(storeName);
  return settled(request);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed without a cause"));
  });
}
