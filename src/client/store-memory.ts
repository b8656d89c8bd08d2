/**
 * A store that lives as long as the process: for tests, and for handing a session from one client object to the next.
 * @module
 */
import type { ClientStore, StoredValue } from "./store.ts";

export function memoryStore(): ClientStore {
  const entries = new Map<string, StoredValue>();
  return {
    load: () => Promise.resolve(new Map(entries)),
    write(changes) {
      for (const { key, value } of changes) {
        if (value === undefined) entries.delete(key);
        else entries.set(key, structuredClone(value));
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
