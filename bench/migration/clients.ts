/**
 * A process full of clients (test/migration/crowd.ts), told by its parent what to do.
 * @module
 */
import { Crowd, type CrowdReport, type CrowdSpec } from "../../test/migration/crowd.ts";

export type Order =
  | { readonly type: "open"; readonly spec: CrowdSpec }
  | { readonly type: "publish" | "settle" | "look" | "report" };
export type Answer =
  | { readonly type: "done" }
  | { readonly type: "looked"; readonly nodes: readonly (readonly [node: string, clients: number])[] }
  | { readonly type: "reported"; readonly report: CrowdReport };

let crowd: Crowd | undefined;

async function obey(order: Order): Promise<Answer> {
  if (order.type === "open") {
    crowd = new Crowd(order.spec);
    await crowd.open();
    return { type: "done" };
  }
  if (crowd === undefined) throw new Error(`${order.type} came before open`);
  if (order.type === "look") return { type: "looked", nodes: [...crowd.nodes()] };
  if (order.type === "report") return { type: "reported", report: crowd.report() };
  if (order.type === "publish") crowd.publish();
  else await crowd.settle();
  return { type: "done" };
}

process.on("message", (order: Order) => {
  void obey(order).then((answer) => process.send?.(answer));
});
process.on("disconnect", () => process.exit(0));
