/**
 * What `weir replay` and `weir play` share: where records are played to, how fast, and the keys of a person who steps.
 * @module
 */

import type { LogRecord } from "../../runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../runtime/system.ts";
import { openLog } from "../log/open-log.ts";
import { type Pace, type Played, playRecords, type Sink } from "../replay/play.ts";
import type { ReadableLog } from "../replay/readable-log.ts";
import { counted } from "../replay/text.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "./exit-code.ts";
import { answered, gatewayOf, interrupted, openClient } from "./gateway-client.ts";
import { jsonArgs, timeOf } from "./look-back.ts";
import { natsStoreOf } from "./nats-store.ts";
import { recordLine } from "./record-line.ts";

export const playArgs = {
  from: { type: "string", description: "From this time on", valueHint: "time" },
  until: { type: "string", description: "Up to this time", valueHint: "time" },
  speed: {
    type: "string",
    description: "1: as far apart as they were, 10: ten times as fast, max, or step: one with each key",
    default: "1",
    valueHint: "speed",
  },
  to: {
    type: "string",
    description: "stdout, ws://<gateway>, or nats://<server> (the log there)",
    default: "stdout",
    valueHint: "url",
  },
  prefix: { type: "string", description: "Begin topics with this, as replay.42", valueHint: "topic" },
  token: { type: "string", description: "JWT for the gateway; or set WEIR_TOKEN", valueHint: "jwt" },
  ...jsonArgs,
} as const;

export type PlayWords = {
  readonly filter: string;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
  readonly speed: string;
  readonly to: string;
  readonly prefix?: string | undefined;
  readonly token?: string | undefined;
  readonly json: boolean;
};

type Target = { readonly sink: Sink; readonly done: () => Promise<void> };

const decoder = new TextDecoder();
/** Ctrl-C: a terminal that hands out single keys makes no signal of it. */
const interruptKey = "\u0003";
const speedMax = 1_000_000;
/** Publishes that wait for their acknowledgement. */
const unackedMax = 8_192;

export async function play(log: ReadableLog, words: PlayWords): Promise<ExitCode> {
  const { filter, from, until } = words;
  const stop = new AbortController();
  void interrupted().then(() => stop.abort());
  const keys = new Keys();
  const target = await targetOf(words);
  let played: Played;
  try {
    played = await playRecords(
      log,
      {
        ...{ filter, pace: paceOf(words.speed, keys), clock: systemClock(), signal: stop.signal },
        ...(from === undefined ? {} : { from: timeOf("from", from) }),
        ...(until === undefined ? {} : { until: timeOf("until", until) }),
      },
      target.sink,
    );
  } finally {
    keys.close();
    await target.done();
  }
  if (words.to !== "stdout")
    console.log(`Played ${counted(played.records, "record")}, ${counted(played.bytes, "byte")}`);
  return exitCodes.done;
}

export function paceOf(text: string, keys: { next(): Promise<boolean> }): Pace {
  if (text === "max") return "max";
  if (text === "step") return () => keys.next();
  const speed = Number(text);
  if (speed > 0 && speed <= speedMax) return speed;
  throw usageError(`--speed must be a number above 0 and up to ${speedMax}, max or step, got "${text}"`);
}

/** A key for each step; `q` or the end of the input ends it. */
export class Keys {
  #input: AsyncIterator<Buffer> | undefined;
  #waiting = 0;

  async next(): Promise<boolean> {
    if (this.#input === undefined) {
      if (process.stdin.isTTY) process.stdin.setRawMode(true);
      this.#input = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    }
    if (this.#waiting > 0) {
      this.#waiting--;
      return true;
    }
    const { done, value } = await this.#input.next();
    if (done === true) return false;
    const pressed = value.toString();
    if (pressed.includes("q") || pressed.includes(interruptKey)) return false;
    this.#waiting = pressed.length - 1;
    return true;
  }

  close(): void {
    if (this.#input === undefined) return;
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.destroy(); // a pipe that stays open would keep the process
  }
}

async function targetOf(words: PlayWords): Promise<Target> {
  const { to } = words;
  if (to === "stdout") return { sink: (records) => print(records, words), done: async () => undefined };
  if (/^wss?:/.test(to)) return toGateway(words);
  if (/^(nats|tls):/.test(to)) return await toNats(words);
  throw usageError(`--to must be stdout, ws://<host>:<port> or nats://<host>:<port>, got "${to}"`);
}

function print(records: readonly LogRecord[], { json }: PlayWords): void {
  const format = json ? "json" : "line";
  const lines = records.map((record) => recordLine({ ...record, text: () => decoder.decode(record.payload) }, format));
  process.stdout.write(`${lines.join("\n")}\n`);
}

function topicOf({ topic }: LogRecord, prefix: string | undefined): string {
  return prefix === undefined ? topic : `${prefix}.${topic.replace(/^\$/, "")}`;
}

function toGateway(words: PlayWords): Target {
  const gateway = gatewayOf({ url: words.to, token: words.token });
  const client = openClient(gateway);
  const unacked = new Set<Promise<unknown>>();
  let failure: Error | undefined;
  const publish = (record: LogRecord): void => {
    const topic = topicOf(record, words.prefix);
    const { payload, headers } = record;
    const one = client
      .publish(topic, payload, headers === undefined ? {} : { headers })
      .catch((error: unknown) => {
        failure ??= error as Error;
      })
      .finally(() => unacked.delete(one));
    unacked.add(one);
  };
  return {
    sink: async (records) => {
      for (const record of records) {
        publish(record);
        if (unacked.size >= unackedMax) await answered(Promise.race(unacked), { client, gateway });
        if (failure !== undefined) throw failure;
      }
    },
    done: async () => {
      try {
        await answered(client.flush(), { client, gateway });
      } finally {
        await client.close();
      }
      if (failure !== undefined) throw failure;
    },
  };
}

/** With ids of this run's own: the log there would drop what it has seen. */
async function toNats(words: PlayWords): Promise<Target> {
  const random = systemRandom();
  const ports = { clock: systemClock(), random, logger: { log: () => undefined } };
  const log = await openLog(natsStoreOf({ log: words.to }, "to"), ports, { client: "weir replay", provision: false });
  const run = `replay-${random.token(9)}`;
  return {
    sink: async (records) => {
      const own = records.map(({ seq: _, time: __, ...record }) => ({
        ...record,
        id: `${run}/${record.id}`,
        topic: topicOf({ ...record, seq: 0, time: 0 }, words.prefix),
      }));
      const result = await log.append({ records: own });
      if (!result.ok) throw new CliError(exitCodes.failed, `${words.to} did not take the records: ${result.message}`);
    },
    done: () => log.close(),
  };
}
