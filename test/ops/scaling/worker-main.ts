/**
 * A worker that a gateway starts: takes two records at once, each for a while, until it is asked to end.
 */
import { connect } from "../../../src/client/mod.ts";
import { joinPool } from "../../../src/client/pool.ts";

const { WEIR_URL = "", WEIR_POOL = "" } = process.env;
const client = connect(WEIR_URL);
const member = joinPool(client, WEIR_POOL, { capacity: 2 }, () => Bun.sleep(20));
process.once("SIGTERM", () => {
  void member
    .leave()
    .then(() => client.close())
    .then(() => process.exit(0));
});
