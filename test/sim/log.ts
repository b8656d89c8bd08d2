/**
 * The log as one gateway instance sees it: the production memory log, with answers that take time, and none
 * at all once the instance is dead.
 * @module
 */
import type { EventLog, Follow } from "../../src/runtime/log/event-log.ts";
import type { SimClock, SimProcess } from "./clock.ts";

export type Delay = () => number;

export function logOf(process: SimProcess, inner: EventLog, clock: SimClock, readMs: Delay): EventLog {
  const later = <T>(promise: Promise<T>): Promise<T> => {
    const delayMs = readMs();
    if (delayMs === 0) return process.guard(promise);
    return process.guard(
      promise.then((value) => new Promise<T>((resolve) => clock.after(delayMs, () => resolve(value)))),
    );
  };
  const guard = <T>(promise: Promise<T>): Promise<T> => process.guard(promise);
  const follows = (start: (alive: () => boolean) => Follow): Follow => {
    const follow = start(() => process.alive);
    process.onDeath(() => follow.stop());
    return follow;
  };
  const { journals, keyValue, blobs } = inner;
  return {
    info: () => inner.info(),
    end: () => later(inner.end()),
    append: (request) => guard(inner.append(request)),
    read: (request) => later(inner.read(request)),
    readOverhead: inner.readOverhead,
    follow: (after, onRecords, onTrimmed) =>
      follows((alive) => inner.follow(after, (records) => alive() && onRecords(records), onTrimmed)),
    lastPerTopic: (filter, after, max) => later(inner.lastPerTopic(filter, after, max)),
    seqAtTime: (time) => later(inner.seqAtTime(time)),
    producerMark: (producer) => later(inner.producerMark(producer)),
    forgetProducer: (producer) => guard(inner.forgetProducer(producer)),
    trim: (retention) => guard(inner.trim(retention)),
    journals: {
      append: (request) => guard(journals.append(request)),
      read: (key, after, max) => later(journals.read(key, after, max)),
      lastSeq: (key) => later(journals.lastSeq(key)),
      saveSnapshot: (key, snapshot) => guard(journals.saveSnapshot(key, snapshot)),
      loadSnapshot: (key) => later(journals.loadSnapshot(key)),
      list: (kind, cursor, max) => later(journals.list(kind, cursor, max)),
      delete: (key) => guard(journals.delete(key)),
    },
    keyValue: {
      get: (key) => later(keyValue.get(key)),
      put: (key, value, options) => guard(keyValue.put(key, value, options)),
      delete: (key, options) => guard(keyValue.delete(key, options)),
      list: (prefix, cursor, max) => later(keyValue.list(prefix, cursor, max)),
      watch: (prefix, onChange) => follows((alive) => keyValue.watch(prefix, (change) => alive() && onChange(change))),
    },
    blobs: {
      put: (name, data) => guard(blobs.put(name, data)),
      get: (name) => later(blobs.get(name)),
      delete: (name) => guard(blobs.delete(name)),
    },
    // The log belongs to the world: the next gateway instance goes on with it.
    close: () => Promise.resolve(),
  };
}
