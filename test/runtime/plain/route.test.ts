import { describe, expect, test } from "bun:test";
import {
  matchPlainRoute,
  plainRouteProblem,
  plainRoutes,
  plainRoutesDefault,
} from "../../../src/runtime/plain/route.ts";

describe("plainRouteProblem()", () => {
  test("takes the defaults", () =>
    expect(plainRoutesDefault.map(plainRouteProblem)).toEqual([undefined, undefined, undefined, undefined, undefined]));

  test("says what is wrong with a route", () => {
    expect(plainRouteProblem("system")).toStartWith('"system" is no route, expected <path>=<filter>');
    expect(plainRouteProblem("/a b=system")).toStartWith('Path "/a b" is no path of a route');
    expect(plainRouteProblem("/a/{id}=x.{name}")).toBe(
      'Filter "x.{name}" uses {name}, which path "/a/{id}" does not have',
    );
    expect(plainRouteProblem("/weir=x")).toStartWith("Path /weir speaks the protocol");
    expect(plainRouteProblem("/a=x..y")).toBe('Filter "x..y" holds an empty token');
    expect(plainRouteProblem("/a=x=y")).toStartWith('"/a=x=y" is no route');
  });
});

describe("matchPlainRoute()", () => {
  const routes = plainRoutes(["/ws/a/{id}=a.{id}.>", "/ws/a/b=b", "/ws/{x}/{y}=pair.{y}.{x}"]);
  test("puts the values of the path into the filter, the first route that fits wins", () => {
    expect(matchPlainRoute(routes, "/ws/a/7")).toEqual({ kind: "filter", filter: "a.7.>" });
    expect(matchPlainRoute(routes, "/ws/a/b")).toEqual({ kind: "filter", filter: "a.b.>" });
    expect(matchPlainRoute(routes, "/ws/k/gr%C3%BC%C3%9Fe")).toEqual({ kind: "filter", filter: "pair.grüße.k" });
    expect(matchPlainRoute(routes, "/ws/a")).toBeUndefined();
  });

  test("lets no value widen the filter", () => {
    for (const value of ["*", ">", "%2A", "a.b", "", "%00", "%zz", "x".repeat(300)])
      expect(matchPlainRoute(routes, `/ws/a/${value}`)?.kind).toBe("problem");
  });
});
