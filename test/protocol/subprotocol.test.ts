import { describe, expect, test } from "bun:test";
import type { CodecName } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { chooseSubprotocol, subprotocolOf } from "../../src/protocol/subprotocol.ts";

describe("subprotocols", () => {
  test("chooseSubprotocol() takes the first of the client's list that we know", () => {
    const offered = ["graphql-ws", "weir.v2.msgpack", "weir.v1.json", "weir.v1.msgpack"];
    expect(chooseSubprotocol(offered)).toEqual({ subprotocol: "weir.v1.json", codec: "json" });
  });

  test("chooseSubprotocol() takes none when none is ours, or is written otherwise", () => {
    expect(chooseSubprotocol([])).toBeUndefined();
    expect(chooseSubprotocol(["weir", "WEIR.V1.JSON", "weir.v1", "constructor"])).toBeUndefined();
  });

  test.each(Object.keys(codecs) as CodecName[])("subprotocolOf(%p) is chosen as that codec", (codec) => {
    expect(chooseSubprotocol([subprotocolOf(codec)])).toEqual({ subprotocol: subprotocolOf(codec), codec });
    expect(codecs[codec].name).toBe(codec);
  });
});
