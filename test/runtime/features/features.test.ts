/**
 * Frames of features go where the one table says, and nowhere when nobody offers them.
 */
import { describe, expect, test } from "bun:test";
import type { FeatureClientFrame, FeatureName } from "../../../src/protocol/feature-frame.ts";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { SessionId } from "../../../src/protocol/ids.ts";
import type { Attachment, Feature } from "../../../src/runtime/features/feature.ts";
import { Features } from "../../../src/runtime/features/features.ts";
import type { Peer } from "../../../src/runtime/session/context.ts";

function attachment(): { readonly attached: Attachment; readonly sent: Frame[] } {
  const sent: Frame[] = [];
  const send = (frame: Frame) => {
    sent.push(frame);
    return "sent" as const;
  };
  return { attached: { session: "s1" as SessionId, owner: 1, peer: { send } as unknown as Peer }, sent };
}

/** A feature that notes what it is told. */
function noting(name: FeatureName, notes: string[]): Feature {
  return {
    name,
    receive: (_attachment, frame) => void notes.push(`${name} ${frame.type}`),
    attached: ({ session }) => void notes.push(`${name} attached ${session}`),
    reauthenticated: ({ session }) => void notes.push(`${name} reauthenticated ${session}`),
    detached: (_attachment, cause) => void notes.push(`${name} detached ${cause}`),
    gone: (session, why) => void notes.push(`${name} gone ${session} ${why}`),
    stop: async () => void notes.push(`${name} stop`),
  };
}

const join: FeatureClientFrame = { type: "join", ref: 7, pool: "p" };
const request: FeatureClientFrame = { type: "request", ref: 8, topic: "t", payload: new Uint8Array() };

describe("Features", () => {
  test("names what is offered, and hands each feature its own frames alone", () => {
    const [features, notes] = [new Features(), [] as string[]];
    features.offer(noting("requests", notes));
    features.offer(noting("pools", notes));
    const { attached } = attachment();
    void features.receive(attached, join);
    void features.receive(attached, request);
    void features.receive(attached, { type: "cancel", ref: 8 });
    expect(features.names).toEqual(["requests", "pools"]);
    expect(notes).toEqual(["pools join", "requests request", "requests cancel"]);
  });

  test("answers a frame of a feature that is not offered with ERROR featureUnavailable and its ref", () => {
    const features = new Features();
    const { attached, sent } = attachment();
    void features.receive(attached, join);
    void features.receive(attached, { type: "done", pool: "p", items: [1] });
    expect(sent).toMatchObject([
      { type: "error", code: 106, cause: "featureUnavailable", retryable: false, ref: 7 },
      { type: "error", code: 106 },
    ]);
    expect((sent[0] as { message: string }).message).toStartWith(
      'JOIN belongs to "pools", which this gateway does not',
    );
  });

  test("refuses a ref of 0", () => {
    const [features, notes] = [new Features(), [] as string[]];
    features.offer(noting("pools", notes));
    const { attached, sent } = attachment();
    void features.receive(attached, { ...join, ref: 0 });
    expect([sent.map((frame) => frame.type === "error" && frame.cause), notes]).toEqual([["badFrameShape"], []]);
  });

  test("tells every feature who comes and goes", async () => {
    const [features, notes] = [new Features(), [] as string[]];
    features.offer(noting("requests", notes));
    features.offer(noting("presence", notes));
    const { attached } = attachment();
    features.attached(attached);
    features.reauthenticated(attached);
    features.detached(attached, "socketClosed 1006");
    features.gone(attached.session, "ended");
    await features.stop();
    const told = ["attached s1", "reauthenticated s1", "detached socketClosed 1006", "gone s1 ended", "stop"];
    expect(notes).toEqual(told.flatMap((what) => [`requests ${what}`, `presence ${what}`]));
  });
});
