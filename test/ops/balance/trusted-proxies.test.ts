/** Whom the proxy believes about where a request comes from. */
import { expect, test } from "bun:test";
import { networkProblem, TrustedProxies } from "../../../src/ops/balance/trusted-proxies.ts";

test("has() knows addresses and networks of both families, and nobody without rules", () => {
  const trusted = new TrustedProxies(["10.0.0.0/8", "192.0.2.7", "fd00::/8"]);
  expect(["10.1.2.3", "192.0.2.7", "fd12::1"].map((one) => trusted.has(one))).toEqual([true, true, true]);
  expect(["11.0.0.1", "192.0.2.8", "fe80::1", "nonsense", ""].map((one) => trusted.has(one))).not.toContain(true);
  expect(new TrustedProxies([]).has("127.0.0.1")).toBe(false);
});

test("clientOf() is the last address that no trusted proxy vouches for: what a client claims before it counts nothing", () => {
  const trusted = new TrustedProxies(["10.0.0.0/8"]);
  expect(trusted.clientOf(["203.0.113.1", "198.51.100.2", "10.0.0.9"], "10.0.0.1")).toBe("198.51.100.2");
  expect(trusted.clientOf(["10.0.0.7"], "10.0.0.1")).toBe("10.0.0.7");
  expect(trusted.clientOf(["203.0.113.1"], "198.51.100.2")).toBe("198.51.100.2");
  expect(trusted.clientOf(["203.0.113.1", "made up"], "10.0.0.1")).toBe("10.0.0.1");
  expect(trusted.clientOf(["203.0.113.1:4711"], "10.0.0.1")).toBe("203.0.113.1");
  expect(trusted.clientOf(["[2001:db8::1]:80"], "10.0.0.1")).toBe("2001:db8::1");
  expect(trusted.clientOf([], "10.0.0.1")).toBe("10.0.0.1");
});

test("networkProblem() says what is no network, and new TrustedProxies() throws the same", () => {
  for (const wrong of ["10.0.0.0/33", "10.0.0", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "example.com", ""]) {
    expect(networkProblem(wrong)).toContain(`"${wrong}" is no address or network`);
    expect(() => new TrustedProxies([wrong])).toThrow("is no address or network");
  }
  expect(["10.0.0.0/8", "::1", "0.0.0.0/0"].map(networkProblem)).toEqual([undefined, undefined, undefined]);
});
