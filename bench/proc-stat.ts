/**
 * Reads what the kernel says of a process: CPU time of all its threads, memory; and of its own memory for sockets.
 * @module
 */
import { readFileSync } from "node:fs";

/** Linux reports process times in ticks of 1/100 s on every architecture that Bun runs on. */
const tickUs = 10_000;
const pageBytes = 4_096;

/** User and system time of the process, all threads, in microseconds. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in parentheses and may hold spaces; count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

export type Memory = {
  readonly rssBytes: number;
  /** Without mapped files: an embedded log's pages are the page cache's, not the process's. */
  readonly anonBytes: number;
};

export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
  return { rssBytes: kb("VmRSS") * 1024, anonBytes: kb("RssAnon") * 1024 };
}

export type KernelMemory = {
  /** Bytes queued in buffers of TCP sockets (/proc/net/sockstat). */
  readonly tcpBufferBytes: number;
  /** The kernel's own objects, sockets and files among them (/proc/meminfo). */
  readonly slabBytes: number;
};

/** Of the whole machine: both ends of every loopback connection are in it. */
export function kernelMemory(): KernelMemory {
  const sockets = readFileSync("/proc/net/sockstat", "utf8");
  const all = readFileSync("/proc/meminfo", "utf8");
  return {
    tcpBufferBytes: Number(/^TCP:.* mem (\d+)/m.exec(sockets)?.[1] ?? Number.NaN) * pageBytes,
    slabBytes: Number(/^Slab:\s+(\d+) kB/m.exec(all)?.[1] ?? Number.NaN) * 1024,
  };
}

export type Cpu = {
  readonly seconds: number;
  readonly serverUs: number;
  /** Of the processes that store for the server; 0 when there are none. */
  readonly storeUs: number;
  readonly serverBusyPercent: number;
  readonly loadBusyPercent: number;
};

/** CPU of a server, of what stores for it, and of this process between two moments. */
export class CpuWindow {
  readonly #server: number;
  readonly #stores: readonly number[];
  #before = { server: 0, store: 0, own: 0 };
  #at = 0;

  constructor({ serverPid, storePids = [] }: { readonly serverPid: number; readonly storePids?: readonly number[] }) {
    this.#server = serverPid;
    this.#stores = storePids;
    this.open();
  }

  open(): void {
    this.#before = this.#now();
    this.#at = performance.now();
  }

  read(): Cpu {
    const seconds = (performance.now() - this.#at) / 1000;
    const now = this.#now();
    const serverUs = now.server - this.#before.server;
    const percent = (us: number): number => Math.round(us / seconds / 10_000);
    return {
      seconds,
      serverUs,
      storeUs: now.store - this.#before.store,
      serverBusyPercent: percent(serverUs),
      loadBusyPercent: percent(now.own - this.#before.own),
    };
  }

  #now() {
    return {
      server: cpuUs(this.#server),
      store: this.#stores.reduce((sum, pid) => sum + cpuUs(pid), 0),
      own: cpuUs(process.pid),
    };
  }
}
