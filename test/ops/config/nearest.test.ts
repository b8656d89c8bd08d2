import { expect, test } from "bun:test";
import { expected, nearest } from "../../../src/ops/config/nearest.ts";

const known = ["websocket.port", "websocket.host", "websocket.limits.maxDeliver", "websocket.limits.maxDeliverMax"];

test("nearest() finds a name that was misspelt, given without its section, or as a variable; and none that is not like it", () => {
  expect(nearest("websocket.prot", known)).toBe("websocket.port");
  expect(nearest("maxDelver", known)).toBe("websocket.limits.maxDeliver");
  expect(nearest("limits.maxDeliverMax", known)).toBe("websocket.limits.maxDeliverMax");
  expect(nearest("WEIR_MAX_DELIVER", ["WEIR_PORT", "WEIR_WEBSOCKET__LIMITS__MAX_DELIVER"])).toBe(
    "WEIR_WEBSOCKET__LIMITS__MAX_DELIVER",
  );
  expect(nearest("zzz", known)).toBeUndefined();
  expect(nearest("host", ["most", "cost"])).toBe("most");
  expect(nearest("hast", ["cost"])).toBeUndefined();
});

test("expected() says what was probably meant, also of names that it does not list", () => {
  expect(expected("prot", ["host", "port"])).toBe("did you mean port? Expected one of: host, port");
  expect(expected("maxDelver", ["host", "port"], known)).toBe(
    "did you mean websocket.limits.maxDeliver? Expected one of: host, port",
  );
  expect(expected("zzz", ["host", "port"], known)).toBe("expected one of: host, port");
});
