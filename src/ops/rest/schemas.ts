/**
 * What REST answers about a node, its connections and sessions: the views of runtime/inspection.ts as zod schemas.
 * Strict, so that a test sees a field that the document does not have.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { nodeStatuses } from "../../actors/node/events.ts";
import { laneNames } from "../../protocol/lane.ts";

const count = z.int().min(0);
export const seq = z.int().min(0).openapi({ description: "Place in the log" });
export const time = z.number().openapi({ description: "Milliseconds since 1970" });
const windowSchema = z.strictObject({ records: z.number(), bytes: z.number() });
const lane = z.enum(laneNames);

const logSchema = z
  .strictObject({
    epoch: z.string(),
    tier: z.enum(["none", "disk", "r1", "r3", "r3-sync"]),
    firstSeq: seq,
    lastSeq: seq,
    records: count,
    bytes: count,
    transactions: z.boolean(),
    shared: z.boolean(),
    awaySince: time.optional(),
  })
  .openapi("Log");

export const connectionSchema = z
  .strictObject({
    id: z.string(),
    node: z.string(),
    session: z.string().optional(),
    subject: z.string(),
    remoteAddress: z.string(),
    codec: z.enum(["msgpack", "protobuf", "json", "plain"]),
    openedAt: time,
    state: z.string().openapi({ description: "Of its statechart" }),
    bufferedBytes: count,
    roundTripMs: z.number().optional(),
    framesIn: count,
    framesOut: count,
  })
  .openapi("Connection");

const subscriptionShape = {
  filter: z.string(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  mode: z.enum(["live", "behind", "away"]),
  chains: z.array(
    z.strictObject({
      lane,
      position: seq,
      sent: seq,
      inFlightRecords: z.int(),
      inFlightBytes: z.int(),
    }),
  ),
  window: windowSchema,
  naks: z.array(z.strictObject({ seq, lane, attempts: count, dueAt: time, reason: z.string() })),
  ackWaitMs: count,
  maxDeliver: count,
};
const subscriptionSchema = z.strictObject(subscriptionShape).openapi("Subscription");
export const heldSubscriptionSchema = z
  .strictObject({ session: z.string(), subject: z.string(), ...subscriptionShape })
  .openapi("HeldSubscription");

export const sessionSchema = z
  .strictObject({
    id: z.string(),
    node: z.string(),
    subject: z.string(),
    status: z.enum(["attached", "detached", "ended"]),
    owner: count,
    connection: z.string().optional(),
    attachedSince: time.optional(),
    detachedAt: time.optional(),
    openedAt: time,
    resumeWindowMs: count,
    ephemeral: z.boolean(),
    publishedUpTo: count,
    refusedPublishes: count,
    subscriptions: z.array(subscriptionSchema),
    credit: windowSchema.optional(),
    openTransactions: z.array(z.strictObject({ tx: count, records: count, bytes: count, touchedAt: time })),
  })
  .openapi("Session");

export const nodeSchema = z
  .strictObject({
    id: z.string(),
    version: z.string(),
    state: z.enum(["running", "draining", "stopping"]),
    startedAt: time,
    connections: count,
    sessions: count,
    sessionsAttached: count,
    sessionsMax: count,
    subscriptionsBehind: count,
    filters: count,
    position: seq,
    ring: z.strictObject({ records: count, bytes: count, firstSeq: seq }),
    inflow: z.strictObject({ bytes: z.number(), bytesMax: count, pausedConnections: count }),
    actorCrashes: count,
    residentBytes: count,
    cpuSeconds: z.number(),
    log: logSchema,
  })
  .openapi("Node");

const loadSchema = z
  .strictObject({
    connections: count,
    sessions: count,
    cpu: z.number().openapi({ description: "Share of the machine's cores, 0 to 1" }),
    loopDelayMs: z.number(),
    residentBytes: count,
    bytesInPerSecond: z.number(),
    bytesOutPerSecond: z.number(),
    acceleratorFreeBytes: count.optional(),
  })
  .openapi("NodeLoad");

export const memberSchema = z
  .strictObject({
    node: z.string(),
    incarnation: z.string().openapi({ description: "Of this start of its process" }),
    url: z.string().openapi({ description: "That clients dial" }),
    http: z.string(),
    version: z.string(),
    protocol: z.strictObject({ min: count, max: count }).openapi({ description: "Releases of the node protocol" }),
    compatible: z.boolean().openapi({ description: "false: more than one release apart from the node that answers" }),
    status: z.enum(nodeStatuses).openapi({ description: "As the node that answers sees it" }),
    since: time,
    cause: z.string(),
    startedAt: time,
    load: loadSchema,
    weight: z.number(),
    zone: z.string().optional(),
    location: z.strictObject({ latitude: z.number(), longitude: z.number() }).optional(),
  })
  .openapi("Member");

const histogram = z.strictObject({
  count,
  sumMs: z.number(),
  boundsMs: z.array(z.number()),
  buckets: z.array(count),
});
export const totalsSchema = z
  .strictObject({
    connectionsOpened: count,
    handshakesFailed: count,
    errors: count,
    connectionsFailed: count,
    framesIn: count,
    framesOut: count,
    bytesIn: count,
    bytesOut: count,
    recordsPublished: count,
    recordsDuplicate: count,
    recordsDelivered: count,
    fanOutFrames: count,
    fanOutRecords: count,
    fanOutBytes: count,
    fanOutFramesSent: count,
    fanOutBytesSent: count,
    pagesFromRing: count,
    pagesFromLog: count,
    appends: histogram,
    messages: histogram,
  })
  .openapi("Totals");

/** Anything that JSON can carry. */
export const anything = z
  .unknown()
  .openapi({ description: "Anything", type: ["object", "array", "string", "number", "boolean", "null"] });
