/**
 * A nats-server with JetStream for the gateway's log: one server, files, flushed each second. It shares core 1 with
 * the generator.
 * @module
 */
import { findNatsBinary } from "../../test/support/nats-binary.ts";
import { freePort, type PinnedProcess, startPinned, whenListening } from "../process.ts";

export type Store = { readonly url: string; readonly process: PinnedProcess; readonly version: string };

const config = (port: number, dir: string, more: string): string => `
host: 127.0.0.1
port: ${port}
jetstream { store_dir: "${dir}/nats", sync_interval: "1s", strict: true, max_buffered_msgs: 65536 }
${more}`;

export async function startNats(dir: string, more = ""): Promise<Store> {
  const binary = await findNatsBinary("newest");
  if (!binary.found) throw new Error(`nats-server is not there: ${binary.reason}`);
  const port = freePort();
  const file = `${dir}/nats.conf`;
  await Bun.write(file, config(port, dir, more));
  const process = startPinned(1, [binary.path, "-c", file]);
  await whenListening(port, process);
  return { url: `nats://127.0.0.1:${port}`, process, version: binary.version };
}
