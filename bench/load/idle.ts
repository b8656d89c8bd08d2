/**
 * Many peers that are attached and do nothing: memory of the server for each. The first few hundred are not
 * counted: they pay for compiled code and first buffers.
 * @module
 */
import { kernelMemory, memory } from "../proc-stat.ts";
import { round } from "./distribution.ts";
import { inGroups, type LoadRun, type Measures } from "./job.ts";

const warmUpPeers = 300;
const connectAtOnce = 200;

export async function idle(run: LoadRun): Promise<Measures> {
  const peers = run.number("peers");
  // Long enough for collectors to have run and for handshake deadlines to be over.
  const restMs = Math.min(15_000, Math.max(2_000, run.job.seconds * 1000));
  const open = (): Promise<void> => run.dialect.openIdle();

  await inGroups(warmUpPeers, connectAtOnce, open);
  await Bun.sleep(restMs);
  const before = memory(run.job.serverPid);
  const kernelBefore = kernelMemory();

  const began = performance.now();
  await inGroups(peers, connectAtOnce, open);
  const openedMs = performance.now() - began;
  const atOnce = memory(run.job.serverPid);
  await Bun.sleep(restMs);
  const after = memory(run.job.serverPid);
  const kernelAfter = kernelMemory();

  const each = (bytes: number): number => round(bytes / peers / 1024, 2);
  return {
    peers,
    rssKbEach: each(after.rssBytes - before.rssBytes),
    anonKbEach: each(after.anonBytes - before.anonBytes),
    rssKbEachAtOnce: each(atOnce.rssBytes - before.rssBytes),
    tcpBufferKbEach: each(kernelAfter.tcpBufferBytes - kernelBefore.tcpBufferBytes),
    slabKbEach: each(kernelAfter.slabBytes - kernelBefore.slabBytes),
    opensPerSecond: round(peers / (openedMs / 1000)),
    rssMb: round(after.rssBytes / 1_048_576, 1),
  };
}
