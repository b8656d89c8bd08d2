import { describe, expect, test } from "bun:test";
import { pinoLogger } from "../../src/runtime/logger.ts";

/** What the logger writes, parsed. */
function logged(level: "debug" | "info" | "silent", write: (logger: ReturnType<typeof pinoLogger>) => void) {
  const lines: string[] = [];
  write(pinoLogger({ level, destination: { write: (line: string) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("pinoLogger()", () => {
  test("writes one JSON line per event, with its level, time and fields", () => {
    const [line, ...more] = logged("info", (logger) => logger.log("warn", "socket.closed", { code: 4001 }));
    expect(line).toEqual({
      level: "warn",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      event: "socket.closed",
      code: 4001,
    });
    expect(more).toEqual([]);
  });

  test("leaves out what is below the level", () => {
    expect(logged("info", (logger) => logger.log("debug", "x", {}))).toEqual([]);
    expect(logged("silent", (logger) => logger.log("error", "x", {}))).toEqual([]);
  });

  test("masks secrets at every depth that we log", () => {
    const fields = { token: "s3cret", hello: { resumeKey: "s3cret", options: { secret: "s3cret" } }, kept: "plain" };
    const [line] = logged("info", (logger) => logger.log("info", "x", fields));
    expect(JSON.stringify(line)).not.toContain("s3cret");
    expect(line).toMatchObject({ token: "[masked]", kept: "plain" });
    expect(fields.token).toBe("s3cret");
  });

  test("masks what looks like a secret in any text, an error's too", () => {
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ2ZXJhIn0.c2lnbmF0dXJl";
    const error = new Error(`Refused Authorization: Bearer abc.def-123 at nats://me:hunter2@a:4222 with ${jwt}`);
    const [line] = logged("info", (logger) =>
      logger.log("warn", "x", { error, url: "wss://me:hunter2@a.example/x", deep: { er: { still: [jwt] } } }),
    );
    const text = JSON.stringify(line);
    for (const secret of ["hunter2", "abc.def-123", "c2lnbmF0dXJl", "eyJzdWIi"]) expect(text).not.toContain(secret);
    expect(line).toMatchObject({ url: "wss://[masked]@a.example/x", deep: { er: { still: ["[masked]"] } } });
  });

  test("takes another level while it runs", () => {
    const events = logged("info", (logger) => {
      logger.log("debug", "before", {});
      logger.setLevel("debug");
      logger.log("debug", "after", {});
      logger.setLevel("silent");
      logger.log("error", "never", {});
    }).map(({ event }) => event);
    expect(events).toEqual(["after"]);
  });

  test("writes an error with its message and stack", () => {
    const [line] = logged("info", (logger) => logger.log("error", "x", { error: new RangeError("too far") }));
    expect(line).toMatchObject({
      error: { type: "RangeError", message: "too far", stack: expect.stringContaining("too far") },
    });
  });
});
