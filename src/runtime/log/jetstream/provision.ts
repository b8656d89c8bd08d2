/**
 * The streams that the log needs: what they must be, how that differs from what is there, and making it so. Nothing is
 * ever removed: a change that would is a problem to be told, not a change.
 * @module
 */
import { type Api, JetStreamError, streamNotFound } from "./api.ts";
import { type Names, Subjects } from "./subjects.ts";

/** Absent: as it is, or the default where there is nothing yet. */
export type ProvisionOptions = {
  readonly replicas?: number;
  /** Of records. 0: no bound. */
  readonly maxAgeMs?: number;
  readonly maxBytes?: number;
};

export type StreamConfig = Readonly<Record<string, unknown>> & { readonly name: string };
export type StreamInfo = {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly first_ts?: string;
    readonly last_seq: number;
  };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly { readonly name: string }[] };
};

export type Difference = {
  readonly stream: string;
  readonly field: string;
  readonly found: unknown;
  readonly wanted: unknown;
  /** fixed: cannot be changed. needed: the log does not work without. advised: it promises less; `effect` says what. */
  readonly weight: "fixed" | "needed" | "advised";
  readonly effect?: string;
};

export type Plan = {
  readonly create: readonly StreamConfig[];
  readonly update: readonly StreamConfig[];
  readonly differences: readonly Difference[];
  /** Why it cannot be done; sentences. */
  readonly problems: readonly string[];
};

const nsPerMs = 1e6;
/** Of streams that are made where several servers are, unless told otherwise. */
const replicasOfCluster = 3;
const windowMs = 120_000;
const journalWindowMs = 2_000;
const markerTtlNs = 60e9;
/** JetStream says -1 for no bound. */
const bound = (value: number): number => (value === 0 ? -1 : value);

/** `atomic`: the server stores batches atomically. */
export function wantedStreams(names: Names, options: ProvisionOptions, atomic: boolean): readonly StreamConfig[] {
  const subjects = new Subjects(names);
  const common = {
    retention: "limits",
    storage: "file",
    num_replicas: options.replicas ?? 1,
    max_age: 0,
    discard: "old",
    allow_direct: true,
    allow_rollup_hdrs: true,
  };
  const own = { ...common, allow_msg_ttl: true, duplicate_window: journalWindowMs * nsPerMs };
  return [
    {
      ...common,
      name: names.records,
      subjects: [subjects.allTopics, subjects.allSteps],
      max_age: (options.maxAgeMs ?? 0) * nsPerMs,
      max_bytes: bound(options.maxBytes ?? 0),
      max_msgs_per_subject: -1,
      allow_msg_ttl: true,
      duplicate_window: windowMs * nsPerMs,
      ...(atomic ? { allow_atomic: true } : {}),
    },
    { ...own, name: names.journals, subjects: [...subjects.allOwn], max_msgs_per_subject: -1 },
    {
      ...own,
      name: names.keyValue,
      subjects: [subjects.allKeys],
      max_msgs_per_subject: 1,
      subject_delete_marker_ttl: markerTtlNs,
    },
    {
      ...common,
      name: `OBJ_${names.blobs}`,
      subjects: [`$O.${names.blobs}.C.>`, `$O.${names.blobs}.M.>`],
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

// --- differences ---

const fixed = new Set(["storage", "retention"]);
const needed = new Set([
  "allow_direct",
  "allow_rollup_hdrs",
  "allow_msg_ttl",
  "max_msgs_per_subject",
  "subject_delete_marker_ttl",
]);

/** How a stream that exists differs from what it should be; what may be as the operator likes does not count. */
export function differencesOf(wanted: StreamConfig, found: StreamConfig): Difference[] {
  const differences: Difference[] = [];
  for (const field of Object.keys(wanted)) {
    const [needs, has] = [wanted[field], found[field]];
    const weighed = field === "subjects" ? subjectsWeight(needs, has) : weightOf(field, needs, has);
    if (weighed !== undefined) differences.push({ stream: wanted.name, field, found: has, wanted: needs, ...weighed });
  }
  return differences;
}

type Weight = Pick<Difference, "weight" | "effect">;

function subjectsWeight(needs: unknown, has: unknown): Weight | undefined {
  const [wanted, found] = [needs as readonly string[], (has ?? []) as readonly string[]];
  // What else it takes is somebody's: taking that away is not ours.
  if (found.some((subject) => !wanted.includes(subject))) return { weight: "fixed" };
  return found.length === wanted.length ? undefined : { weight: "needed" };
}

function weightOf(field: string, needs: unknown, has: unknown): Weight | undefined {
  if (fixed.has(field)) return has === needs ? undefined : { weight: "fixed" };
  if (needed.has(field)) return sameBound(needs, has) ? undefined : { weight: "needed" };
  if (field === "allow_atomic" && has !== true) return { weight: "advised", effect: "transactions are not offered" };
  if (field === "duplicate_window" && Number(has ?? 0) < Number(needs))
    return {
      weight: "advised",
      effect: `a publish whose answer was lost is told from a new one only for ${show(field, has)}`,
    };
  return undefined;
}

/** The server leaves out what is false or zero, and says -1 for no bound. */
function sameBound(needs: unknown, has: unknown): boolean {
  return has === needs || ((has === undefined || has === 0) && (needs === false || needs === -1));
}

// --- plan ---

export async function planStreams(
  api: Api,
  names: Names,
  options: ProvisionOptions & { readonly atomic: boolean; readonly clustered: boolean; readonly nowMs: number },
): Promise<Plan> {
  const replicas = options.replicas ?? (options.clustered ? replicasOfCluster : 1);
  const plan = { create: [] as StreamConfig[], update: [] as StreamConfig[] };
  const differences: Difference[] = [];
  const problems: string[] = [];
  for (const wanted of wantedStreams(names, { ...options, replicas }, options.atomic)) {
    const found = await findStream(api, wanted.name);
    const had = (found?.config["subjects"] ?? []) as readonly string[];
    const added = (wanted["subjects"] as readonly string[]).filter((subject) => !had.includes(subject));
    problems.push(...(await overlaps(api, wanted.name, added)));
    if (found === undefined) {
      plan.create.push(wanted);
      continue;
    }
    const isRecords = wanted.name === names.records;
    const differs = [...differencesOf(wanted, found.config), ...askedFor(wanted, found, options, isRecords)];
    differences.push(...differs);
    problems.push(...impossible(found, differs, options.nowMs));
    const changes = Object.fromEntries(differs.map(({ field, wanted: value }) => [field, value]));
    if (differs.length > 0) plan.update.push({ ...found.config, ...changes });
  }
  return { ...plan, differences, problems };
}

/** What the operator named, and nothing else of these. */
function askedFor(
  wanted: StreamConfig,
  { config }: StreamInfo,
  { replicas, maxAgeMs, maxBytes }: ProvisionOptions,
  isRecords: boolean,
): Difference[] {
  const fields = [
    ...(replicas === undefined ? [] : ["num_replicas"]),
    ...(isRecords && maxAgeMs !== undefined ? ["max_age"] : []),
    ...(isRecords && maxBytes !== undefined ? ["max_bytes"] : []),
  ];
  return fields
    .filter(
      (field) => !sameBound(wanted[field], config[field]) && !(wanted[field] === 0 && config[field] === undefined),
    )
    .map((field) => ({
      stream: wanted.name,
      field,
      found: config[field],
      wanted: wanted[field],
      weight: "advised" as const,
    }));
}

function impossible({ config, state }: StreamInfo, differences: readonly Difference[], nowMs: number): string[] {
  const problems: string[] = [];
  for (const { stream, field, found, wanted, weight } of differences) {
    if (weight === "fixed")
      problems.push(
        `Stream ${stream} has ${field} ${show(field, found)}, Weir needs ${show(field, wanted)}: it is another program's stream or was made for something else. Choose another --name`,
      );
    const ageMs = field === "max_age" && Number(wanted) > 0 ? Number(wanted) / nsPerMs : Number.POSITIVE_INFINITY;
    const oldest = state.messages === 0 ? nowMs : Date.parse(state.first_ts ?? "");
    const bytesMax = field === "max_bytes" && Number(wanted) > 0 ? Number(wanted) : Number.POSITIVE_INFINITY;
    const perSubject = field === "max_msgs_per_subject" && Number(wanted) > 0 && state.messages > 0;
    if (oldest < nowMs - ageMs || state.bytes > bytesMax || perSubject)
      problems.push(
        `${field} ${show(field, wanted)} would remove records that stream ${config.name} holds, and this command never does. Do it yourself with: nats stream edit ${config.name}`,
      );
  }
  return problems;
}

async function overlaps(api: Api, stream: string, subjects: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const subject of subjects) {
    const { streams } = await api.ask<{ streams?: readonly string[] | null }>("$JS.API.STREAM.NAMES", { subject });
    for (const other of streams ?? []) {
      if (other !== stream)
        problems.push(
          `Stream ${other} takes subjects of ${subject} already, which ${stream} needs: change its subjects, or choose another --name`,
        );
    }
  }
  return problems;
}

export async function applyPlan(api: Api, { create, update }: Pick<Plan, "create" | "update">): Promise<void> {
  for (const config of create) await api.ask(`$JS.API.STREAM.CREATE.${config.name}`, config);
  for (const config of update) await api.ask(`$JS.API.STREAM.UPDATE.${config.name}`, config);
}

// --- words ---

const durations = new Set(["max_age", "duplicate_window", "subject_delete_marker_ttl"]);
const units = [
  ["d", 86_400e9],
  ["h", 3_600e9],
  ["m", 60e9],
  ["s", 1e9],
  ["ms", 1e6],
] as const;

/** A field's value as people write it. */
export function show(field: string, value: unknown): string {
  if (value === undefined) return "nothing";
  if (durations.has(field)) {
    if (value === 0) return "no bound";
    const [unit, ns] = units.find(([, each]) => Number(value) % each === 0) ?? ["ns", 1];
    return `${Number(value) / ns}${unit}`;
  }
  if (value === -1) return "no bound";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
