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

/** CPU of a server and of this process between two moments. */
export class CpuWindow {
  readonly #pid: number;
  #server = 0;
  #own = 0;
  #at = 0;

  constructor(serverPid: number) {
    this.#pid = serverPid;
    this.open();
  }

  open(): void {
    this.#server = cpuUs(this.#pid);
    this.#own = cpuUs(process.pid);
    this.#at = performance.now();
  }

  read(): { seconds: number; serverUs: number; serverBusyPercent: number; loadBusyPercent: number } {
    const seconds = (performance.now() - this.#at) / 1000;
    const serverUs = cpuUs(this.#pid) - this.#server;
    const ownUs = cpuUs(process.pid) - this.#own;
    const percent = (us: number): number => Math.round(us / seconds / 10_000);
    return { seconds, serverUs, serverBusyPercent: percent(serverUs), loadBusyPercent: percent(ownUs) };
  }
}
