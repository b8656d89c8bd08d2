/**
 * The settings of `balancing`: which node clients go to.
 * @module
 */
import { z } from "zod";
import { algorithms } from "../../actors/balancer/balancer.ts";
import { affinities, balancingDefaults as defaults } from "../../runtime/cluster/assigner.ts";
import { noted, whole } from "./setting.ts";

const hourMs = 3_600_000;
const { ejection } = defaults;

export const balancing = z.strictObject({
  admissionPerSecondMax: noted(whole(1, 1_000_000).default(5_000), {
    description: "Handshakes that this gateway takes up in a second; who comes beyond is told when to come",
    unit: "handshakes",
    live: true,
  }),
  admissionBurstMax: noted(whole(1, 10_000_000).default(10_000), {
    description: "Handshakes that it takes up at once, after a quiet time",
    unit: "handshakes",
    live: true,
  }),
  connectionsPerSecondMax: noted(whole(1, 1_000_000).default(500), {
    description: "Clients that a drain sends to each other gateway in a second; the same at every gateway",
    unit: "connections",
    live: true,
  }),
  algorithm: noted(z.enum(algorithms).default(defaults.algorithm), {
    description: "How a node is chosen ([balancing](balancing.md))",
    live: true,
  }),
  affinity: noted(z.enum(affinities).default(defaults.affinity), {
    description: "What of a client keeps it at one node: its address, its session, its user, or nothing",
    live: true,
  }),
  redirect: noted(z.boolean().default(defaults.redirect), {
    description: "Whether a client that comes to the wrong node is sent to the right one in its handshake",
    live: true,
  }),
  redirectMargin: noted(z.number().min(1).max(100).default(defaults.redirectMargin), {
    description: "So many times as much as another node this one must have in hand before it sends a client there",
    live: true,
  }),
  slowStartMs: noted(whole(0, hourMs).default(defaults.slowStartMs), {
    description: "How long the share of a node that has just started grows to its full; 0: it has it at once",
    unit: "ms",
    live: true,
  }),
  boundedLoad: noted(z.number().min(1).max(100).default(defaults.boundedLoad), {
    description: "Of `consistentHash`: so many times its share of all connections a node may have",
    live: true,
  }),
  nearKm: noted(whole(0, 20_100).default(defaults.nearKm), {
    description: "Of `geographic`: further away than the nearest node by at most so much is as near",
    unit: "km",
    live: true,
  }),
  failover: noted(
    z
      .array(z.string().min(1).max(64))
      .max(64)
      .default([...defaults.failover]),
    {
      description:
        "Zones (`discovery.zone`) in the order in which they take clients; the others come last. None: all alike",
      range: "a list of zones, at most 64",
      live: true,
    },
  ),
  ejection: z.strictObject({
    failures: noted(whole(0, 1_000).default(ejection.failures), {
      description: "So many clients in a row that were sent to a node and came back put it out for a time; 0: never",
      live: true,
    }),
    windowMs: noted(whole(100, hourMs).default(ejection.windowMs), {
      description: "So long after the one before, such a failure is a first one again",
      unit: "ms",
      live: true,
    }),
    ejectMs: noted(whole(100, hourMs).default(ejection.ejectMs), {
      description: "How long it is out the first time; the n-th in a row n times as long",
      unit: "ms",
      live: true,
    }),
    ejectMsMax: noted(whole(100, 24 * hourMs).default(ejection.ejectMsMax), {
      description: "At most so long",
      unit: "ms",
      live: true,
    }),
    shareMax: noted(z.number().min(0).max(1).default(ejection.shareMax), {
      description: "Share of all nodes that may be out at once",
      live: true,
    }),
  }),
  geoip: z.strictObject({
    file: noted(z.string().min(1).max(4_096).optional(), {
      description:
        "Path of a database in MaxMind DB format that says where addresses are, for `geographic`; read at the start",
    }),
  }),
});
