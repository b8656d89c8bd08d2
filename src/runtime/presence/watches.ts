/**
 * Tells watchers who came and went. What changes within a moment is told together, as it is when it is told; a watcher
 * whose socket is full is told later, as it is then.
 *
 * Owns: what is kept for a watcher is at most the names of those that changed.
 * @module
 */
import type { PresenceChanged, PresenceMember } from "../../protocol/feature-frame.ts";
import type { Attachment } from "../features/feature.ts";
import type { Clock, Timer } from "../ports.ts";
import { type Directory, entryBytes, type PresenceEntry } from "./directory.ts";

type Watch = {
  readonly attachment: Attachment;
  /** Of the PRESENCE that asked. */
  readonly ref: number;
  /** Sessions that changed since it was last told; undefined: it was told everything. */
  owed: Set<string> | undefined;
};

/** A change waits so long for others. */
const gatherMs = 50;
/** Buffered for a socket, beyond which it is told later. */
const fullBytes = 262_144;

export class Watches {
  readonly #clock: Clock;
  readonly #directory: () => Directory;
  readonly #byTopic = new Map<string, Map<Attachment, Watch>>();
  readonly #changed = new Map<string, Set<string>>();
  #timer: Timer | undefined;
  count = 0;

  constructor(clock: Clock, directory: () => Directory) {
    this.#clock = clock;
    this.#directory = directory;
  }

  /** From now on; the caller tells how it is now. */
  add(attachment: Attachment, topic: string, ref: number): void {
    // What changed before is in what it is told now; for those that watch already it still waits.
    const watches = this.#byTopic.get(topic) ?? new Map<Attachment, Watch>();
    this.#byTopic.set(topic, watches);
    if (!watches.has(attachment)) this.count++;
    watches.set(attachment, { attachment, ref, owed: undefined });
  }

  /** Answers its ref; undefined: it did not watch. */
  remove(attachment: Attachment, topic: string): number | undefined {
    const watches = this.#byTopic.get(topic);
    const watch = watches?.get(attachment);
    if (watches === undefined || watch === undefined) return undefined;
    watches.delete(attachment);
    this.count--;
    if (watches.size === 0) this.#byTopic.delete(topic);
    return watch.ref;
  }

  /** What is shown of the session on the topic is another now. */
  changed(topic: string, session: string): void {
    if (!this.#byTopic.has(topic)) return;
    const sessions = this.#changed.get(topic) ?? new Set();
    this.#changed.set(topic, sessions.add(session));
    this.#timer ??= this.#clock.after(gatherMs, () => this.#tell());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#byTopic.clear();
  }

  #tell(): void {
    this.#timer = undefined;
    let owes = false;
    for (const [topic, watches] of this.#byTopic) {
      const changed = this.#changed.get(topic);
      let frames: readonly PresenceChanged[] | undefined;
      for (const watch of watches.values()) {
        if (changed === undefined && watch.owed === undefined) continue;
        const { peer } = watch.attachment;
        if (peer.bufferedBytes() > fullBytes) {
          watch.owed = new Set([...(watch.owed ?? []), ...(changed ?? [])]);
          owes = true;
          continue;
        }
        frames ??= changed === undefined ? [] : this.#framesOf(topic, peer.limits, changed);
        const own = watch.owed && this.#framesOf(topic, peer.limits, new Set([...watch.owed, ...(changed ?? [])]));
        watch.owed = undefined;
        for (const frame of own ?? frames) peer.send(frame);
      }
    }
    this.#changed.clear();
    if (owes) this.#timer ??= this.#clock.after(gatherMs, () => this.#tell());
  }

  /** As it is now. */
  #framesOf(topic: string, limits: FrameLimits, sessions: ReadonlySet<string>): readonly PresenceChanged[] {
    const directory = this.#directory();
    const total = directory.count(topic);
    const frames: PresenceChanged[] = [];
    let [joined, left, bytes]: [PresenceMember[], string[], number] = [[], [], 0];
    const cut = (): void => {
      frames.push({ type: "presenceChanged", topic, total, joined, left });
      [joined, left, bytes] = [[], [], 0];
    };
    for (const session of sessions) {
      const entry = directory.shown(topic, session);
      const added = entry === undefined ? session.length : entryBytes(entry);
      if (joined.length + left.length >= limits.listItemsMax || (bytes > 0 && bytes + added > limits.deliverBytesMax))
        cut();
      bytes += added;
      if (entry === undefined) left.push(session);
      else joined.push(memberOf(entry));
    }
    cut();
    return frames;
  }
}

type FrameLimits = Attachment["peer"]["limits"];

export function memberOf({ session, subject, data, since }: PresenceEntry): PresenceMember {
  return { session, subject, since, ...(data === undefined ? {} : { data }) };
}
