/**
 * `weir demo`: the promise on one screen. Needs nothing running: it starts a gateway of its own, and kills it.
 * @module
 */
import { defineCommand } from "citty";
import { Demo, type DemoState } from "../../demo/demo.ts";
import { wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";

const redrawMs = 200;
const lineEveryMs = 1_000;
const text = { type: "string", valueHint: "number" } as const;

export const demoCommand = defineCommand({
  meta: { name: "demo", description: "Publish and subscribe exactly once while the gateway is killed, and count" },
  args: {
    seconds: { ...text, description: "End after this time; 0: when you press q", default: "0" },
    publishers: { ...text, description: "Clients that publish", default: "4" },
    subscribers: { ...text, description: "Clients that subscribe to everything, QoS 2", default: "4" },
    rate: { ...text, description: "Records a second of each publisher", default: "250" },
    "kill-every": { ...text, description: "Seconds between kills of the gateway; 0: only on key k", default: "4" },
    tty: {
      type: "boolean",
      description: "Redraw a screen and read keys",
      default: true,
      negativeDescription: "One line a second",
    },
  },
  run: async ({ args }) => {
    const seconds = wholeNumber("seconds", args.seconds, { min: 0, max: 86_400 });
    const options = {
      publishers: wholeNumber("publishers", args.publishers, { min: 1, max: 1_000 }),
      subscribers: wholeNumber("subscribers", args.subscribers, { min: 1, max: 1_000 }),
      rate: wholeNumber("rate", args.rate, { min: 1, max: 100_000 }),
      killEveryMs: wholeNumber("kill-every", args["kill-every"], { min: 0, max: 3_600 }) * 1_000,
    };
    const screen = args.tty && process.stdout.isTTY && process.stdin.isTTY;
    const demo = await Demo.start(options);
    const end = watchForEnd(seconds * 1_000, () => void demo.kill(), screen);
    if (!screen) console.log(seconds > 0 ? `Runs for ${seconds} s` : "Runs until Ctrl-C (SIGINT or SIGTERM)");
    const redraw = screen
      ? setInterval(() => draw(demo.state()), redrawMs)
      : setInterval(() => console.log(lineOf(demo.state())), lineEveryMs);
    await end;
    const last = await demo.finish();
    clearInterval(redraw);
    if (screen) draw(last);
    return verdict(last);
  },
});

function lineOf({ published, acked, delivered, missing, duplicated, kills, gateway }: DemoState): string {
  const counts = `${published} published, ${acked} acknowledged, ${delivered} delivered, ${missing} on their way`;
  return `${counts}, ${duplicated} duplicated, ${kills} gateway kills, gateway ${gateway}`;
}

function verdict(last: DemoState): ExitCode {
  const { published, acked, delivered, missing, duplicated, kills } = last;
  console.log(
    `${published} published, ${acked} acknowledged, ${delivered} delivered, ${missing} lost, ${duplicated} duplicated, ${kills} gateway kills`,
  );
  return missing === 0 && duplicated === 0 && published === acked ? exitCodes.done : exitCodes.promiseBroken;
}

/** Resolves when the time is over, on a signal, or (with keys) on q or Ctrl-C. */
function watchForEnd(afterMs: number, onKill: () => void, keys: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      if (keys) process.stdin.setRawMode(false).pause();
      clearTimeout(timer);
      resolve();
    };
    const timer = afterMs > 0 ? setTimeout(end, afterMs) : undefined;
    process.once("SIGINT", end).once("SIGTERM", end);
    if (!keys) return;
    process.stdin.setRawMode(true).on("data", (data: Buffer) => {
      const key = data.toString();
      if (key === "k") onKill();
      if (key === "q" || key === "\u0003") end();
    });
  });
}

function draw(state: DemoState): void {
  const row = (name: string, value: number | string): string => `  ${name.padEnd(16)}${String(value).padStart(12)}`;
  const lines = [
    "weir demo: exactly once, while the gateway is killed",
    "",
    row("published", state.published),
    row("acknowledged", state.acked),
    row("delivered", state.delivered),
    row("on their way", state.missing),
    row("duplicated", state.duplicated),
    row("gateway", state.gateway),
    row("kills", state.kills),
    "",
    "k kills the gateway (SIGKILL), q counts and ends",
  ];
  const home = "\u001b[H\u001b[2J";
  process.stdout.write(`${home}${lines.join("\n")}\n`);
}
