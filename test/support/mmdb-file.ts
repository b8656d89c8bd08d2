/**
 * Writes a database in MaxMind DB format 2.0 (https://maxmind.github.io/MaxMind-DB/) from a few networks and their places:
 * npm has libraries that read it, none that writes it. An IPv6 tree with IPv4 in its first 2³² addresses, records of 24
 * bits, as the databases that people download.
 */

export type Network = {
  /** Of IPv4 or IPv6, in bytes. */
  readonly address: readonly number[];
  readonly prefix: number;
  /** Absent: the network is known, its place is not. */
  readonly location?: { readonly latitude: number; readonly longitude: number };
};

type Value = string | number | { readonly [name: string]: Value } | readonly Value[] | { readonly uint: number };
/** A record of the search tree: another node, or a place in the data section, or nothing. */
type Slot = { node: number } | { data: number } | undefined;

const marker = [0xab, 0xcd, 0xef, ...Buffer.from("MaxMind.com")];
const separator = 16;

export function mmdbFile(
  networks: readonly Network[],
  { ipVersion = 6 }: { readonly ipVersion?: 4 | 6 } = {},
): Uint8Array {
  const nodes: [Slot, Slot][] = [[undefined, undefined]];
  const data: number[] = [];
  for (const { address, prefix, location } of networks) {
    const at = data.length;
    data.push(...encoded(location === undefined ? {} : { location: { accuracy_radius: uint(10), ...location } }));
    const isShort = ipVersion === 6 && address.length === 4;
    const bits = bitsOf(isShort ? [...new Array<number>(12).fill(0), ...address] : address);
    put(nodes, bits.slice(0, prefix + (isShort ? 96 : 0)), at);
  }
  const tree = nodes.flatMap((slots) => slots.flatMap((slot) => bytesOf(pointer(slot, nodes.length), 3)));
  const metadata = encoded({
    binary_format_major_version: uint(2),
    binary_format_minor_version: uint(0),
    build_epoch: uint(1_700_000_000),
    database_type: "Weir-Test-City",
    description: { en: "Places made up for a test" },
    ip_version: uint(ipVersion),
    languages: ["en"],
    node_count: uint(nodes.length),
    record_size: uint(24),
  });
  return Uint8Array.from([...tree, ...new Array<number>(separator).fill(0), ...data, ...marker, ...metadata]);
}

/** The path of bits ends at the data. */
function put(nodes: [Slot, Slot][], bits: readonly number[], data: number): void {
  let node = 0;
  for (const [depth, bit] of bits.entries()) {
    const slots = nodes[node] as [Slot, Slot];
    if (depth === bits.length - 1) {
      slots[bit as 0 | 1] = { data };
      return;
    }
    const next = slots[bit as 0 | 1];
    if (next !== undefined && "node" in next) {
      node = next.node;
      continue;
    }
    node = nodes.push([undefined, undefined]) - 1;
    slots[bit as 0 | 1] = { node };
  }
}

function pointer(slot: Slot, nodeCount: number): number {
  if (slot === undefined) return nodeCount;
  return "node" in slot ? slot.node : nodeCount + separator + slot.data;
}

function bitsOf(address: readonly number[]): number[] {
  return address.flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1));
}

function bytesOf(value: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(value / 256 ** (count - 1 - index)) % 256);
}

const uint = (value: number): { readonly uint: number } => ({ uint: value });

/** Types of the format: 2 text, 3 double, 6 unsigned of 32 bits, 7 map, 11 array; those above 7 in a second byte. */
function encoded(value: Value): number[] {
  if (typeof value === "string") return [...control(2, Buffer.byteLength(value)), ...Buffer.from(value)];
  if (typeof value === "number") {
    const double = Buffer.alloc(8);
    double.writeDoubleBE(value);
    return [...control(3, 8), ...double];
  }
  if (Array.isArray(value)) return [...control(11, value.length), ...value.flatMap((one: Value) => encoded(one))];
  if ("uint" in value) return [...control(6, 4), ...bytesOf(value["uint"] as number, 4)];
  const entries = Object.entries(value as { readonly [name: string]: Value });
  return [...control(7, entries.length), ...entries.flatMap(([name, one]) => [...encoded(name), ...encoded(one)])];
}

function control(type: number, size: number): number[] {
  if (size >= 29) throw new RangeError(`This writer knows sizes below 29 only, got ${size}`);
  return type > 7 ? [size, type - 7] : [(type << 5) | size];
}
