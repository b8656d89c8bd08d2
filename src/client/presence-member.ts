/**
 * A session that is present on a topic, as the application sees it.
 * @module
 */
import type { PresenceMember } from "../protocol/feature-frame.ts";
import type { EpochMs } from "../protocol/ids.ts";

const utf8 = new TextDecoder();

export class Member {
  readonly #member: PresenceMember;

  constructor(member: PresenceMember) {
    this.#member = member;
  }
  get session(): string {
    return this.#member.session;
  }
  /** Claim `sub` of its token; anonymous: "". */
  get subject(): string {
    return this.#member.subject;
  }
  /** When it came, by the gateway's clock. */
  get since(): EpochMs {
    return this.#member.since;
  }
  /** What it said of itself; undefined: nothing. */
  get data(): Uint8Array | undefined {
    return this.#member.data;
  }
  text(): string {
    return utf8.decode(this.data);
  }
  /** Throws where it said nothing, or no JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  isLike(other: Member): boolean {
    const [a, b] = [this.data ?? new Uint8Array(), other.data ?? new Uint8Array()];
    const sameData = a.length === b.length && a.every((byte, i) => byte === b[i]);
    return sameData && this.subject === other.subject && this.since === other.since;
  }
}
