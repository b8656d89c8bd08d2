/**
 * Which members listen to which channel, where the host has no fan-out of its own.
 * @module
 */
export class Channels<Member> {
  readonly #members = new Map<string, Set<Member>>();
  readonly #channels = new Map<Member, Set<string>>();

  of(channel: string): Iterable<Member> {
    return this.#members.get(channel) ?? [];
  }

  add(channel: string, member: Member): void {
    put(this.#members, channel, member);
    put(this.#channels, member, channel);
  }

  remove(channel: string, member: Member): void {
    take(this.#members, channel, member);
    take(this.#channels, member, channel);
  }

  removeAll(member: Member): void {
    for (const channel of this.#channels.get(member) ?? []) take(this.#members, channel, member);
    this.#channels.delete(member);
  }
}

function put<Key, Value>(sets: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function take<Key, Value>(sets: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
