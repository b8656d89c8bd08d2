/**
 * `weir request` as people run it, against a gateway where a client serves.
 * @module
 */
import { expect, test } from "bun:test";
import { connect } from "../../../src/client/mod.ts";
import { Reply, requests } from "../../../src/client/requests.ts";
import { Stage } from "../../gateway/stage.ts";
import { weir } from "../../support/weir-command.ts";

test("weir request prints the response, and says why there is none", async () => {
  await using stage = await Stage.open();
  const client = connect(stage.url);
  await requests(client).serve("prices.*", ({ topic, headers, ...request }) => {
    if (topic === "prices.gold") throw new Error("not sold");
    const text = new TextDecoder().decode(request.payload);
    return new Reply(new TextEncoder().encode(`${text} costs 7 ${headers["unit"]}`), {});
  }).ready;
  const ask = (...words: readonly string[]) => weir(["request", ...words, "--url", stage.url]);
  expect(await ask("prices.tea", "tea", "--header", "unit=EUR")).toEqual({
    ...{ exitCode: 0, out: "tea costs 7 EUR\n", err: "" },
  });
  const failures = await Promise.all([ask("prices.gold"), ask("nobody"), ask("a", "--timeout", "soon")]);
  expect(failures.map(({ exitCode }) => exitCode)).toEqual([1, 1, 2]);
  expect(failures.map(({ err }) => err)).toEqual([
    expect.stringContaining("not sold"),
    expect.stringContaining('Nobody serves "nobody"'),
    expect.stringContaining("--timeout must be a duration"),
  ]);
  await client.close();
}, 60_000);
