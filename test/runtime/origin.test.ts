import { describe, expect, test } from "bun:test";
import { developmentOrigins, originAllowed, originRuleProblem } from "../../src/runtime/origin.ts";

const host = "weir.example.com";

describe("originAllowed()", () => {
  test("lets a client in that sends no origin, as clients other than browsers do", () => {
    expect(originAllowed(undefined, host, [])).toBe(true);
  });

  test("lets a page in that the gateway's own host served, and no other by default", () => {
    expect(originAllowed("https://weir.example.com", host, [])).toBe(true);
    expect(originAllowed("http://weir.example.com:8080", "Weir.Example.com:8080", [])).toBe(true);
    expect(originAllowed("http://weir.example.com:8081", "weir.example.com:8080", [])).toBe(false);
    expect(originAllowed("https://evil.example", host, [])).toBe(false);
    expect(originAllowed("https://evil.example", undefined, [])).toBe(false);
  });

  const cases: [rule: string, origin: string, allowed: boolean][] = [
    ["https://app.example.com", "https://app.example.com", true],
    ["https://app.example.com", "http://app.example.com", false],
    ["https://app.example.com", "https://app.example.com:8443", false],
    ["https://app.example.com", "https://app.example.com.evil.example", false],
    ["app.example.com", "http://app.example.com:8080", true],
    ["app.example.com", "http://other.example.com", false],
    ["*.example.com", "https://a.b.example.com:8443", true],
    ["*.example.com", "https://example.com", false],
    ["*.example.com", "https://evilexample.com", false],
    ["*.example.com", "https://example.com.evil.example", false],
    ["localhost", "http://localhost:5173", true],
    ["localhost", "http://app.localhost", true],
    ["localhost", "http://127.0.0.1:3000", true],
    ["localhost", "http://[::1]:3000", true],
    ["localhost", "http://127.0.0.1.evil.example", false],
    ["localhost", "http://localhost.evil.example", false],
    ["null", "null", true],
    ["localhost", "null", false],
    ["chrome-extension://abcdef", "chrome-extension://abcdef", true],
    ["*", "https://anything.example", true],
    ["*", "null", true],
    ["app.example.com", "https://app.example.com/path", false],
    ["app.example.com", "https://user@app.example.com", false],
    ["app.example.com", "", false],
    ["app.example.com", "not an origin", false],
  ];
  test.each(cases)("by the rule %s, %s is allowed: %p", (rule, origin, allowed) => {
    expect(originAllowed(origin, host, [rule])).toBe(allowed);
    expect(originAllowed(origin, host, ["https://first.example", rule])).toBe(allowed);
  });

  test("developmentOrigins lets pages of this machine in and nobody else", () => {
    expect(originAllowed("http://localhost:3000", host, developmentOrigins)).toBe(true);
    expect(originAllowed("https://evil.example", host, developmentOrigins)).toBe(false);
  });
});

describe("originRuleProblem()", () => {
  test.each([
    "*",
    "null",
    "localhost",
    "app.example.com",
    "*.example.com",
    "https://a.example:8443",
    "http://[::1]:80",
  ])("takes %s", (rule) => expect(originRuleProblem(rule)).toBeUndefined());

  test.each(["", "https://a.example/", "https://*.example.com", "a.*.com", "*.", "App.example.com", "a b"])(
    "refuses %p and names it",
    (rule) => expect(originRuleProblem(rule)).toStartWith(`"${rule}" is no origin rule`),
  );
});
