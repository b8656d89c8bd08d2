/**
 * The streams that the log needs: what they must be, how that differs from what is there, and making it so. Nothing is
 * ever removed.
 * @module
 */
import { type Api, JetStreamError, streamNotFound } from "./api.ts";
import { type Names, Subjects } from "./subjects.ts";

export type ProvisionOptions = {
  readonly replicas: number;
  /** Of records. 0: no bound. */
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly duplicateWindowMs: number;
};
export const provisionDefaults: ProvisionOptions = {
  replicas: 1,
  maxAgeMs: 0,
  maxBytes: 0,
  duplicateWindowMs: 120_000,
};

export type StreamConfig = Readonly<Record<string, unknown>> & { readonly name: string };
export type StreamInfo = {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
  readonly cluster?: { readonly leader?: string };
};

export type Difference = {
  readonly stream: string;
  readonly field: string;
  readonly found: unknown;
  readonly wanted: unknown;
};
export type Plan = {
  readonly create: readonly StreamConfig[];
  readonly update: readonly StreamConfig[];
  readonly differences: readonly Difference[];
  /** Cannot be changed in a stream that exists: it is somebody else's, or was made for something else. */
  readonly impossible: readonly Difference[];
};

const nsPerMs = 1e6;
const journalWindowMs = 2_000;
const markerTtlNs = 60e9;
/** JetStream says -1 for no bound. */
const bound = (value: number): number => (value === 0 ? -1 : value);
const unchangeable = new Set(["storage", "retention"]);

/** `atomic`: the server stores batches atomically. */
export function wantedStreams(names: Names, options: ProvisionOptions, atomic: boolean): readonly StreamConfig[] {
  const subjects = new Subjects(names);
  const common = {
    retention: "limits",
    storage: "file",
    num_replicas: options.replicas,
    discard: "old",
    allow_direct: true,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
  };
  return [
    {
      ...common,
      name: names.records,
      subjects: [subjects.allTopics, subjects.allSteps],
      max_age: options.maxAgeMs * nsPerMs,
      max_bytes: bound(options.maxBytes),
      duplicate_window: options.duplicateWindowMs * nsPerMs,
      ...(atomic ? { allow_atomic: true } : {}),
    },
    { ...common, name: names.journals, subjects: [...subjects.allOwn], duplicate_window: journalWindowMs * nsPerMs },
    {
      ...common,
      name: names.keyValue,
      subjects: [subjects.allKeys],
      max_msgs_per_subject: 1,
      subject_delete_marker_ttl: markerTtlNs,
      duplicate_window: journalWindowMs * nsPerMs,
    },
    {
      ...common,
      name: `OBJ_${names.blobs}`,
      subjects: [`$O.${names.blobs}.C.>`, `$O.${names.blobs}.M.>`],
      allow_msg_ttl: false,
      discard: "new",
    },
  ];
}

export async function findStream(api: Api, name: string): Promise<StreamInfo | undefined> {
  try {
    return await api.ask<StreamInfo>(`$JS.API.STREAM.INFO.${name}`);
  } catch (error) {
    if (error instanceof JetStreamError && error.code === streamNotFound) return undefined;
    throw error;
  }
}

export async function planStreams(api: Api, wanted: readonly StreamConfig[]): Promise<Plan> {
  const create: StreamConfig[] = [];
  const update: StreamConfig[] = [];
  const differences: Difference[] = [];
  const impossible: Difference[] = [];
  for (const config of wanted) {
    const found = await findStream(api, config.name);
    if (found === undefined) {
      create.push(config);
      continue;
    }
    const differs = differencesOf(config, found.config);
    differences.push(...differs);
    impossible.push(...differs.filter(({ field }) => unchangeable.has(field)));
    if (differs.length > 0) update.push({ ...found.config, ...config });
  }
  return { create, update, differences, impossible };
}

export async function applyPlan(api: Api, { create, update, impossible }: Plan): Promise<void> {
  const [first] = impossible;
  if (first !== undefined)
    throw new Error(
      `${first.stream} has ${first.field} ${show(first.found)}, not ${show(first.wanted)}: it is another program's stream`,
    );
  for (const config of create) await api.ask(`$JS.API.STREAM.CREATE.${config.name}`, config);
  for (const config of update) await api.ask(`$JS.API.STREAM.UPDATE.${config.name}`, config);
}

export function differencesOf(wanted: StreamConfig, found: StreamConfig): Difference[] {
  return Object.keys(wanted)
    .filter((field) => !same(wanted[field], found[field]))
    .map((field) => ({ stream: wanted.name, field, found: found[field], wanted: wanted[field] }));
}

/** The server leaves out what is false or zero. */
function same(wanted: unknown, found: unknown): boolean {
  if (found === undefined) return wanted === false || wanted === 0 || wanted === undefined;
  if (Array.isArray(wanted) && Array.isArray(found))
    return wanted.length === found.length && wanted.every((item) => found.includes(item));
  return wanted === found;
}

export function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
