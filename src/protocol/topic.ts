/**
 * Decides what a topic and a filter are, what a filter matches, and what one filter grants of another.
 *
 * A topic that begins with `$` is the gateway's own: a wildcard in a filter's first token does not match it, so a
 * subscriber of everything is not sent its own dead letters. A claim covers it all the same.
 *
 * A topic is tokens joined by dots. A token is one or more characters, none of them white space, a control
 * character, `.`, `*` or `>`. A filter is a topic in which a token may be `*` (exactly one token) and the last
 * one may be `>` (one or more tokens).
 *
 * Pure. `covers` and `matches` trust that their arguments passed `filterProblem` and `topicProblem`.
 * @module
 */

import type { Limits } from "./limits.ts";
import { limits } from "./limits.ts";
import { fitsUtf8 } from "./utf8.ts";

export type TopicLimits = Pick<Limits, "topicBytesMax" | "topicTokensMax">;

const dot = 0x2e;
const star = 0x2a;
const rest = 0x3e;

const refusedInToken = /[\s\p{Cc}]/u;

/** Why `text` is no topic, as a sentence; `undefined` when it is one. */
export function topicProblem(text: string, bounds: TopicLimits = limits): string | undefined {
  const problem = tokensProblem("Topic", text, bounds);
  if (problem !== undefined) return problem;
  if (text.includes("*") || text.includes(">")) return `Topic "${text}" holds a wildcard; only filters may`;
  return undefined;
}

/** Why `text` is no filter, as a sentence; `undefined` when it is one. Every topic is a filter. */
export function filterProblem(text: string, bounds: TopicLimits = limits): string | undefined {
  const problem = tokensProblem("Filter", text, bounds);
  if (problem !== undefined) return problem;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit !== star && unit !== rest) continue;
    const whole =
      (at === 0 || text.charCodeAt(at - 1) === dot) && (at + 1 === text.length || text.charCodeAt(at + 1) === dot);
    if (!whole) return `Filter "${text}" holds "${text[at]}" inside a token; a wildcard is a token of its own`;
    if (unit === rest && at + 1 < text.length) return `Filter "${text}" holds ">" before its last token`;
  }
  return undefined;
}

function tokensProblem(what: "Topic" | "Filter", text: string, bounds: TopicLimits): string | undefined {
  if (text === "") return `${what} is empty`;
  if (!fitsUtf8(text, bounds.topicBytesMax)) {
    return `${what} "${text.slice(0, 32).toWellFormed()}…" is longer than ${bounds.topicBytesMax} bytes`;
  }
  if (refusedInToken.test(text) || !text.isWellFormed()) {
    return `${what} ${JSON.stringify(text)} holds white space, a control character or a lone surrogate`;
  }
  let tokens = 1;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && text.charCodeAt(at) !== dot) continue;
    if (at === start) return `${what} "${text}" holds an empty token`;
    if (at < text.length) tokens += 1;
    start = at + 1;
  }
  if (tokens > bounds.topicTokensMax)
    return `${what} "${text}" has ${tokens} tokens; at most ${bounds.topicTokensMax} are allowed`;
  return undefined;
}

/** Whether the filter matches the topic. */
export function matches(filter: string, topic: string): boolean {
  // A topic, as a filter, matches itself alone: the rest is `covers`.
  return (
    !(isReserved(topic) && (filter.charCodeAt(0) === star || filter.charCodeAt(0) === rest)) && covers(filter, topic)
  );
}

/** Whether `outer`, as a claim, grants everything that `inner` names; `$` is a character like any other here. */
export function covers(outer: string, inner: string): boolean {
  let o = 0;
  let i = 0;
  for (;;) {
    const head = outer.charCodeAt(o);
    if (head === rest) return true; // inner has a token here, and whatever it is matches one or more
    if (head === star) {
      if (inner.charCodeAt(i) === rest) return false; // may be more tokens than one
      o += 1;
      while (i < inner.length && inner.charCodeAt(i) !== dot) i += 1;
    } else {
      while (o < outer.length && outer.charCodeAt(o) !== dot) {
        if (outer.charCodeAt(o) !== inner.charCodeAt(i)) return false;
        o += 1;
        i += 1;
      }
    }
    if (o === outer.length || i === inner.length) return o === outer.length && i === inner.length;
    if (inner.charCodeAt(i) !== dot) return false;
    o += 1;
    i += 1;
  }
}

export function isWildcard(filter: string): boolean {
  return filter.includes("*") || filter.endsWith(">");
}

/** Topics that begin with `$` are written by the gateway alone. */
export function isReserved(topic: string): boolean {
  return topic.charCodeAt(0) === 0x24;
}
