/**
 * `bun bench/presence/main.ts [--members N]`: what a member costs a gateway that tracks it and one that only hears of it, how
 * fast they are tracked and told, and how long a gateway that starts takes to know them all. Two nodes in one process with a
 * bus between them that hands messages over in memory; sockets and codecs are not in it.
 * @module
 */
import { heapSize } from "bun:jsc";
import { parseArgs } from "node:util";
import type { SessionId } from "../../src/protocol/ids.ts";
import { limits } from "../../src/protocol/limits.ts";
import { LocalHub, localBus } from "../../src/runtime/bus/local.ts";
import type { Member } from "../../src/runtime/cluster/membership.ts";
import type { Attachment } from "../../src/runtime/features/feature.ts";
import { Presence } from "../../src/runtime/presence/presence.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { cpuUs } from "../proc-stat.ts";

const clock = systemClock();
const random = systemRandom();
const hub = new LocalHub();
const topics = 100;
const dataBytes = 32;
const { values } = parseArgs({ options: { members: { type: "string", default: "100000" } } });
const members = Number(values.members);

function node(name: string): Presence {
  return new Presence({
    ports: { clock, bus: localBus(clock, hub) },
    limits: { ...limits, presencePerTopicMax: members },
    cluster: {
      self: { node: name, incarnation: "i" },
      member: (other) => ({ node: other, incarnation: "i", status: "healthy" }) as Member,
    },
  });
}

function memory(): { readonly heap: number; readonly rss: number } {
  Bun.gc(true);
  return { heap: heapSize(), rss: process.memoryUsage().rss };
}

const kept: Attachment[] = [];
function attachmentOf(): Attachment {
  const identity = { subject: `user-${kept.length}`, publish: [">"], subscribe: [">"] };
  const peer = {
    identity,
    limits: { ...limits, presencePerTopicMax: members },
    send: () => "sent",
    bufferedBytes: () => 0,
  };
  const attachment = { session: random.token(16) as SessionId, owner: 1, peer: peer as unknown as Attachment["peer"] };
  kept.push(attachment);
  return attachment;
}

async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await Bun.sleep(5);
}

const first = node("n1");
for (let i = 0; i < members; i++) attachmentOf();
const data = new Uint8Array(dataBytes);
const before = memory();
const cpuBefore = cpuUs(process.pid);
const since = performance.now();
for (const [i, attachment] of kept.entries())
  first.receive(attachment, { type: "track", ref: 1, topic: `rooms.${i % topics}`, data });
const trackedMs = performance.now() - since;
await Bun.sleep(2_500); // told, to nobody
const tracked = memory();
const trackedUs = cpuUs(process.pid) - cpuBefore;

const second = node("n2");
const startedAt = performance.now();
await until(() => second.figures.members === members);
const knownMs = performance.now() - startedAt;
await Bun.sleep(1_000);
const replicated = memory();

const third = kept.slice(0, Math.min(20_000, members));
const changeCpu = cpuUs(process.pid);
const changedAt = performance.now();
for (const [i, attachment] of third.entries())
  first.receive(attachment, { type: "untrack", ref: 1, topic: `rooms.${i % topics}` });
await until(() => second.figures.members === members - third.length);
const changedMs = performance.now() - changedAt;
const changeUs = (cpuUs(process.pid) - changeCpu) / third.length;

const each = (bytes: number): string => Math.round(bytes / members).toString();
console.log(`${members} members on ${topics} topics, ${dataBytes} bytes of data each:\n`);
console.log("| what | figure |");
console.log("| --- | ---: |");
console.log(`| heap a member, gateway that tracks it, bytes | ${each(tracked.heap - before.heap)} |`);
console.log(`| resident, the same | ${each(tracked.rss - before.rss)} |`);
console.log(`| heap a member, gateway that hears of it, bytes | ${each(replicated.heap - tracked.heap)} |`);
console.log(`| resident, the same | ${each(replicated.rss - tracked.rss)} |`);
console.log(`| TRACK taken, a second | ${Math.round((members * 1_000) / trackedMs)} |`);
console.log(`| µs CPU a TRACK, telling it too | ${(trackedUs / members).toFixed(2)} |`);
console.log(`| ms until a gateway that starts knows all | ${Math.round(knownMs)} |`);
console.log(`| ms until ${third.length} departures are known on the other | ${Math.round(changedMs)} |`);
console.log(`| µs CPU a departure, both gateways | ${changeUs.toFixed(2)} |`);
await first.stop();
await second.stop();
