import { expect, test } from "bun:test";
import { addressOf } from "../../../src/runtime/cluster/address.ts";

const at = (hostname: string, secure = false) => ({ hostname, port: 8080, secure });

test("addressOf() takes the configured URL, and HTTP from the same host", () => {
  expect(addressOf({ url: "wss://gw-1.example.com/weir" }, at("0.0.0.0"))).toEqual({
    url: "wss://gw-1.example.com/weir",
    http: "https://gw-1.example.com",
  });
});

test("addressOf() makes one of where the node listens, and of the machine's name where that is everywhere", () => {
  expect(addressOf({}, at("10.0.0.7"))).toEqual({ url: "ws://10.0.0.7:8080/", http: "http://10.0.0.7:8080" });
  expect(addressOf({ host: "gw-1" }, at("0.0.0.0", true))).toEqual({
    url: "wss://gw-1:8080/",
    http: "https://gw-1:8080",
  });
  expect(addressOf({ host: "gw-1" }, at("::")).url).toBe("ws://gw-1:8080/");
  expect(addressOf({}, at("fd00::7")).url).toBe("ws://[fd00::7]:8080/");
});
