/**
 * Decides which plain JSON route a path is, and which filter it reads: `/ws/execution/{id}=execution.{id}`. What a
 * path puts into a filter is one token, so that nobody reads more than the route says.
 *
 * Pure.
 * @module
 */
import { filterProblem, topicProblem } from "../../protocol/topic.ts";

export type PlainRoute = { readonly segments: readonly string[]; readonly filter: string };

/** What a bare client connects to, unless the configuration says otherwise. */
export const plainRoutesDefault: readonly string[] = [
  "/ws/monitor=monitor",
  "/ws/execution/{id}=execution.{id}",
  "/ws/pipeline/{id}=pipeline.{id}",
  "/ws/project/{id}=project.{id}",
  "/ws/system=system",
];

const expected = "expected <path>=<filter>, as /ws/execution/{id}=execution.{id}";
const segmentRule = /^(?:[A-Za-z0-9._~-]+|\{[a-z]+\})$/;
const place = /^\{[a-z]+\}$/;

/** Why `text` is no route, as a sentence; `undefined` when it is one. */
export function plainRouteProblem(text: string): string | undefined {
  const [path = "", filter = "", more] = text.split("=");
  if (!path.startsWith("/") || filter === "" || more !== undefined) return `"${text}" is no route, ${expected}`;
  const segments = path.slice(1).split("/");
  if (!segments.every((segment) => segmentRule.test(segment)))
    return `Path "${path}" is no path of a route, ${expected}`;
  if (path === "/weir") return "Path /weir speaks the protocol weir.v1, choose another for plain JSON";
  const unknown = filter.split(".").find((token) => place.test(token) && !segments.includes(token));
  if (unknown !== undefined) return `Filter "${filter}" uses ${unknown}, which path "${path}" does not have`;
  return filterProblem(filter);
}

/** Of texts without a problem. */
export function plainRoutes(texts: readonly string[]): readonly PlainRoute[] {
  return texts.map((text) => {
    const [path = "", filter = ""] = text.split("=");
    return { segments: path.slice(1).split("/"), filter };
  });
}

export type RouteMatch =
  | { readonly kind: "filter"; readonly filter: string }
  | { readonly kind: "problem"; readonly message: string };

/** Undefined: no route has that path. */
export function matchPlainRoute(routes: readonly PlainRoute[], path: string): RouteMatch | undefined {
  const given = path.slice(1).split("/");
  for (const { segments, filter } of routes) {
    if (segments.length !== given.length) continue;
    const values = new Map<string, string>();
    if (!segments.every((segment, index) => fits(segment, given[index] as string, values))) continue;
    for (const [name, value] of values) {
      const problem = value.includes(".") ? "it holds a dot" : topicProblem(value);
      if (problem !== undefined) return { kind: "problem", message: `${name} is not one token of a topic: ${problem}` };
    }
    const tokens = filter.split(".").map((token) => values.get(token) ?? token);
    const problem = filterProblem(tokens.join("."));
    return problem === undefined ? { kind: "filter", filter: tokens.join(".") } : { kind: "problem", message: problem };
  }
  return undefined;
}

function fits(segment: string, given: string, values: Map<string, string>): boolean {
  if (!place.test(segment)) return segment === given;
  try {
    values.set(segment, decodeURIComponent(given));
  } catch {
    values.set(segment, ""); // No text: refused as an empty token.
  }
  return true;
}
