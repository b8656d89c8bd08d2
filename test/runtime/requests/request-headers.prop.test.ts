/**
 * What gateways say beside a request's own headers comes through, and no client can say it.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  readRequestHeaders,
  readResponseHeaders,
  requestHeaders,
  responseHeaders,
  withoutOwn,
} from "../../../src/runtime/requests/request-headers.ts";

const own = ["Weir-Request", "weir-request", "WEIR-DEADLINE-MS", "Weir-Error", "weir-cause"];
const names = fc.oneof(fc.constantFrom(...own), fc.string({ minLength: 1, maxLength: 8 }));
const headers = fc.dictionary(names, fc.string({ maxLength: 8 }), { maxKeys: 6, noNullPrototype: true });
const kept = (all: Readonly<Record<string, string>>) => {
  const others = Object.entries(all).filter(([name]) => !own.some((one) => one.toLowerCase() === name.toLowerCase()));
  return others.length === 0 ? undefined : Object.fromEntries(others);
};

test("requestHeaders() and withoutOwn() keep what the asker wrote, and nothing that looks like the gateway's", () => {
  fc.assert(
    fc.property(
      headers,
      fc.nat().map((n) => n + 1),
      (asked, deadlineMs) => {
        const sent = requestHeaders(asked, { id: "n.1", deadlineMs });
        expect(readRequestHeaders(sent)).toEqual({ id: "n.1", deadlineMs });
        expect(withoutOwn(sent)).toEqual(kept(asked));
        expect(readResponseHeaders(sent)).toEqual({});
      },
    ),
  );
});

test("responseHeaders() says the responder's error or the gateway's cause, and nothing that the responder wrote in their place", () => {
  fc.assert(
    fc.property(headers, fc.option(fc.string(), { nil: undefined }), (answered, error) => {
      const sent = responseHeaders(answered, error === undefined ? {} : { error });
      expect(readResponseHeaders(sent)).toEqual(error === undefined ? {} : { error });
      expect(withoutOwn(sent)).toEqual(kept(answered));
    }),
  );
  const failed = responseHeaders({ k: "v" }, { cause: "responderFailed", error: "gone" });
  expect(readResponseHeaders(failed)).toEqual({ cause: "responderFailed", error: "gone" });
});

test("readRequestHeaders() takes a service's deadline in any case of its name, and none that is no number of ms", () => {
  expect(readRequestHeaders({ "weir-deadline-ms": "250" })).toEqual({ deadlineMs: 250 });
  for (const wrong of ["0", "-1", "1.5", "soon", ""])
    expect(readRequestHeaders({ "Weir-Deadline-Ms": wrong })).toEqual({});
  expect(readResponseHeaders({ "Weir-Cause": "somethingElse" })).toEqual({});
});
