/**
 * Names in NATS: streams, and the subjects that topics, journals and steps live on. The one place where they are made.
 *
 * A topic is the rest of its subject, untouched: services publish to `weir.t.<topic>`. Keys of Weir's own become one
 * token each.
 * @module
 */
import type { JournalKey } from "../event-log.ts";

export type Names = {
  /** Records and the steps that were done with them. */
  readonly records: string;
  /** Journals, snapshots, producers' marks. */
  readonly journals: string;
  readonly keyValue: string;
  readonly blobs: string;
  /** First token of every subject. */
  readonly prefix: string;
};

const namePattern = /^[a-z][a-z0-9-]{0,31}$/;

/** `name` separates several Weirs in one account; "weir" gives WEIR, WEIR_JOURNAL, KV_WEIR, `weir.t.>`. */
export function namesOf(name: string): Names {
  if (!namePattern.test(name)) throw new Error(`Log name "${name}" is not ${namePattern.source}`);
  const upper = name.toUpperCase();
  return {
    records: upper,
    journals: `${upper}_JOURNAL`,
    keyValue: `KV_${upper}`,
    blobs: `${upper}_BLOBS`,
    prefix: name,
  };
}

export class Subjects {
  readonly #topics: string;
  readonly #prefix: string;
  readonly #keys: string;

  constructor({ prefix, keyValue }: Names) {
    this.#prefix = prefix;
    this.#topics = `${prefix}.t.`;
    this.#keys = `$KV.${keyValue.slice("KV_".length)}.`;
  }

  get allTopics(): string {
    return `${this.#topics}>`;
  }
  get allSteps(): string {
    return `${this.#prefix}.x.*`;
  }
  get allOwn(): readonly string[] {
    return ["j.*.*", "s.*.*", "p.*"].map((rest) => `${this.#prefix}.${rest}`);
  }
  get allKeys(): string {
    return `${this.#keys}>`;
  }

  /** Of a topic or a filter. */
  topic(topic: string): string {
    return this.#topics + topic;
  }
  isTopic(subject: string): boolean {
    return subject.startsWith(this.#topics);
  }
  topicOf(subject: string): string {
    return subject.slice(this.#topics.length);
  }
  steps(producer: string): string {
    return `${this.#prefix}.x.${encodeToken(producer)}`;
  }
  producer(producer: string): string {
    return `${this.#prefix}.p.${encodeToken(producer)}`;
  }
  journal({ kind, id }: JournalKey): string {
    return `${this.#prefix}.j.${encodeToken(kind)}.${encodeToken(id)}`;
  }
  journalsOf(kind: string): string {
    return `${this.#prefix}.j.${encodeToken(kind)}.*`;
  }
  journalIdOf(subject: string): string {
    return decodeToken(subject.slice(subject.lastIndexOf(".") + 1));
  }
  snapshot({ kind, id }: JournalKey): string {
    return `${this.#prefix}.s.${encodeToken(kind)}.${encodeToken(id)}`;
  }
  key(key: string): string {
    return this.#keys + encodeToken(key);
  }
  keyOf(subject: string): string {
    return decodeToken(subject.slice(this.#keys.length));
  }
}

const plain = /^[A-Za-z0-9_/-]+$/;
const utf8 = new TextEncoder();
const text = new TextDecoder();

/** Any text as one token: what is not plain becomes `=` and two hexadecimal digits a byte. */
export function encodeToken(key: string): string {
  if (plain.test(key)) return key;
  let token = "";
  for (const byte of utf8.encode(key)) {
    const char = String.fromCharCode(byte);
    token += plain.test(char) ? char : `=${byte.toString(16).padStart(2, "0")}`;
  }
  return token === "" ? "=" : token;
}

export function decodeToken(token: string): string {
  if (!token.includes("=")) return token;
  if (token === "=") return "";
  const bytes: number[] = [];
  for (let i = 0; i < token.length; i++) {
    if (token[i] !== "=") bytes.push(token.charCodeAt(i));
    else {
      bytes.push(Number.parseInt(token.slice(i + 1, i + 3), 16));
      i += 2;
    }
  }
  return text.decode(Uint8Array.from(bytes));
}
