/**
 * Finds the values whose filters match a topic, in time that depends on the topic's tokens and not on how
 * many filters there are.
 *
 * Pure. Owns: a branch without values is removed with its last value. Depth is bounded by `topicTokensMax`,
 * which whoever adds a filter has checked (`filterProblem`).
 * @module
 */
import { isReserved } from "./topic.ts";

type Branch<T> = {
  readonly children: Map<string, Branch<T>>;
  /** Values of the filter that ends here. */
  readonly values: Set<T>;
};

export class TopicTrie<T> {
  readonly #root: Branch<T> = newBranch();
  #size = 0;

  /** Pairs of filter and value held. */
  get size(): number {
    return this.#size;
  }

  /** Answers false when the filter holds that value already. */
  add(filter: string, value: T): boolean {
    let branch = this.#root;
    for (const token of filter.split(".")) {
      let next = branch.children.get(token);
      if (next === undefined) {
        next = newBranch();
        branch.children.set(token, next);
      }
      branch = next;
    }
    if (branch.values.has(value)) return false;
    branch.values.add(value);
    this.#size += 1;
    return true;
  }

  /** Answers false when the filter does not hold that value. */
  remove(filter: string, value: T): boolean {
    const tokens = filter.split(".");
    const path = [this.#root];
    for (const token of tokens) {
      const next = path[path.length - 1]?.children.get(token);
      if (next === undefined) return false;
      path.push(next);
    }
    if (!path[tokens.length]?.values.delete(value)) return false;
    this.#size -= 1;
    for (let depth = tokens.length; depth > 0; depth--) {
      const branch = path[depth];
      if (branch === undefined || branch.values.size > 0 || branch.children.size > 0) break;
      path[depth - 1]?.children.delete(tokens[depth - 1] as string);
    }
    return true;
  }

  /** Every value of a matching filter, each once. The array is the caller's. */
  match(topic: string): T[] {
    const found: Set<T>[] = [];
    if (isReserved(topic)) collectReserved(this.#root, topic, found);
    else collect(this.#root, topic, 0, found);
    const [first] = found;
    if (first === undefined) return [];
    if (found.length === 1) return [...first];
    const union = new Set(first);
    for (let at = 1; at < found.length; at++) for (const value of found[at] as Set<T>) union.add(value);
    return [...union];
  }
}

function newBranch<T>(): Branch<T> {
  return { children: new Map(), values: new Set() };
}

function collect<T>(branch: Branch<T>, topic: string, start: number, found: Set<T>[]): void {
  take(branch.children.get(">"), found);
  const dot = topic.indexOf(".", start);
  const token = dot === -1 ? topic.slice(start) : topic.slice(start, dot);
  for (const next of [branch.children.get(token), branch.children.get("*")]) {
    if (next === undefined) continue;
    if (dot === -1) take(next, found);
    else collect(next, topic, dot + 1, found);
  }
}

/** No wildcard stands for the first token of a reserved topic. */
function collectReserved<T>(root: Branch<T>, topic: string, found: Set<T>[]): void {
  const dot = topic.indexOf(".");
  const next = root.children.get(dot === -1 ? topic : topic.slice(0, dot));
  if (next === undefined) return;
  if (dot === -1) take(next, found);
  else collect(next, topic, dot + 1, found);
}

function take<T>(branch: Branch<T> | undefined, found: Set<T>[]): void {
  if (branch !== undefined && branch.values.size > 0) found.push(branch.values);
}
