/**
 * The simulated network: the production memory transport, with processes that can die, taps on every frame
 * at both ends, and a place where planted bugs may change one.
 * @module
 */
import type { ClientSocketEvents, OpenSocket } from "../../src/client/ports.ts";
import { type Link, type MemoryNetwork, memoryNetwork } from "../../src/runtime/transport/memory.ts";
import type {
  Listener,
  SendResult,
  Socket,
  SocketHandler,
  Transport,
  TransportHandlers,
} from "../../src/runtime/transport/transport.ts";
import { portsClock, type SimClock, type SimProcess } from "./clock.ts";
import type { Chance } from "./random.ts";

export type Data = Uint8Array | string;
/** The four places at which a frame can be seen, or (planted bugs) changed. */
export type Place = "clientOut" | "gatewayIn" | "gatewayOut" | "clientIn";

export type Tap = {
  /** What goes on in the frame's place: `[data]` when nothing is changed. */
  pass(wire: Wire, place: Place, data: Data): readonly Data[];
  ended(wire: Wire, side: "client" | "gateway", code: number, reason: string): void;
};

/** One connection, and who its ends are. */
export type Wire = {
  readonly id: number;
  readonly client: SimProcess;
  readonly subprotocol: string;
  gateway: SimProcess | undefined;
  link: Link | undefined;
};

type Door = { readonly process: SimProcess; readonly listener: Listener; readonly sockets: Set<TappedSocket> };

/** Bytes that the two kernels hold: little, so that congestion happens. */
const kernelBytes = 16_384;

export class SimNetwork {
  readonly wires = new Set<Wire>();
  readonly #memory: MemoryNetwork;
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #tap: Tap;
  readonly #refusedUntilMs = new Map<string, number>();
  #doors: Door[] = [];
  #entering: Wire | undefined;
  #wires = 0;

  constructor(clock: SimClock, chance: Chance, tap: Tap) {
    this.#clock = clock;
    this.#chance = chance;
    this.#tap = tap;
    this.#memory = memoryNetwork({
      clock: portsClock(clock),
      random: { next: chance.next, token: chance.token },
      kernelBytes,
    });
  }

  transport(process: SimProcess): Transport {
    return {
      listen: async (options, handlers) => {
        const sockets = new Set<TappedSocket>();
        const listener = await this.#memory.transport.listen(
          { ...options, port: 0 },
          this.#tapped(process, handlers, sockets),
        );
        this.#doors.push({ process, listener, sockets });
        return {
          ...{ hostname: listener.hostname, port: listener.port, secure: listener.secure },
          publish: (channel, data) => {
            for (const socket of sockets) if (socket.channels.has(channel)) socket.send(data);
          },
          stop: (how) => listener.stop(how),
        };
      },
    };
  }

  openSocket(client: SimProcess): OpenSocket {
    return (_url, subprotocol, events) => {
      const wire: Wire = { id: this.#wires++, client, subprotocol, gateway: undefined, link: undefined };
      const refused = (this.#refusedUntilMs.get(client.name) ?? 0) > this.#clock.nowMs;
      const door = refused ? undefined : this.#chooseDoor();
      const url = door === undefined ? "ws://nobody:1/" : `ws://${door.listener.hostname}:${door.listener.port}/`;
      const link = this.#memory.connect({
        url,
        subprotocols: [subprotocol],
        origin: String(wire.id),
        events: this.#clientEvents(wire, events),
      });
      wire.link = link;
      link.setLatency(this.#latency());
      this.wires.add(wire);
      return {
        send: (data) => {
          if (client.alive) for (const part of this.#tap.pass(wire, "clientOut", data)) link.socket.send(part);
        },
        bufferedBytes: () => link.socket.bufferedBytes(),
        close: (code, reason) => client.alive && link.socket.close(code, reason),
      };
    };
  }

  /** Where several gateways listen, each connection may go to any of them. */
  #chooseDoor(): Door | undefined {
    const open = this.#doors.filter(({ process }) => process.alive && process.pausedUntilMs <= this.#clock.nowMs);
    return open.length > 1 ? this.#chance.pick(open) : open[0];
  }

  /** New connections of this client are refused for so long. */
  refuse(client: string, forMs: number): void {
    this.#refusedUntilMs.set(client, this.#clock.nowMs + forMs);
  }

  heal(): void {
    this.#refusedUntilMs.clear();
    for (const wire of this.wires) wire.link?.unstall();
  }

  /** The process is gone. `silent`: its machine is, too, so nobody is told. */
  lose(process: SimProcess, silent: boolean): void {
    for (const door of this.#doors) if (door.process === process) void door.listener.stop({ terminate: false });
    this.#doors = this.#doors.filter((door) => door.process !== process);
    for (const wire of [...this.wires]) {
      if (wire.gateway !== process && wire.client !== process) continue;
      if (silent) wire.link?.halfOpen();
      else wire.link?.reset();
      if (wire.client === process) this.wires.delete(wire);
    }
  }

  #latency(): () => number {
    const baseMs = this.#chance.pick([0.1, 1, 10, 80]);
    const jitterMs = this.#chance.pick([0, 1, 5, 200]);
    return () => baseMs + this.#chance.next() * jitterMs;
  }

  #clientEvents(wire: Wire, events: ClientSocketEvents): ClientSocketEvents {
    const { client } = wire;
    return {
      open: (subprotocol) => client.alive && events.open(subprotocol),
      message: (data) => {
        if (client.alive) for (const part of this.#tap.pass(wire, "clientIn", data)) events.message(part);
      },
      close: (code, reason) => {
        this.wires.delete(wire);
        if (!client.alive) return;
        this.#tap.ended(wire, "client", code, reason);
        events.close(code, reason);
      },
    };
  }

  #tapped(process: SimProcess, handlers: TransportHandlers, sockets: Set<TappedSocket>): TransportHandlers {
    return {
      http: handlers.http,
      upgrade: ({ origin, ...request }) => {
        if (!process.alive || process.pausedUntilMs > this.#clock.nowMs)
          return { accept: false, status: 503, message: "Dead" };
        this.#entering = [...this.wires].find((wire) => String(wire.id) === origin);
        return handlers.upgrade({ ...request, origin: undefined });
      },
      open: (inner) => {
        const wire = this.#entering as Wire;
        wire.gateway = process;
        const socket = new TappedSocket(inner, wire, this.#tap);
        sockets.add(socket);
        return this.#gatewayHandler(socket, handlers.open(socket), () => sockets.delete(socket));
      },
    };
  }

  #gatewayHandler({ wire }: TappedSocket, handler: SocketHandler, forget: () => void): SocketHandler {
    const process = wire.gateway as SimProcess;
    // What comes for a process that stands still waits in its kernel.
    const whenRuns = (run: () => void): void => {
      if (process.pausedUntilMs > this.#clock.nowMs) this.#clock.after(0, run, process);
      else if (process.alive) run();
    };
    return {
      message: (data) =>
        whenRuns(() => {
          for (const part of this.#tap.pass(wire, "gatewayIn", data)) handler.message(part);
        }),
      drain: () => whenRuns(() => handler.drain()),
      close: (code, reason) => {
        whenRuns(() => {
          forget();
          this.#tap.ended(wire, "gateway", code, reason);
          handler.close(code, reason);
        });
        if (!process.alive) forget();
      },
    };
  }
}

/** The gateway's end of a wire. Native fan-out is done here, so that the tap sees what each socket gets. */
class TappedSocket implements Socket {
  readonly wire: Wire;
  readonly channels = new Set<string>();
  readonly #inner: Socket;
  readonly #tap: Tap;

  constructor(inner: Socket, wire: Wire, tap: Tap) {
    this.#inner = inner;
    this.wire = wire;
    this.#tap = tap;
  }
  get subprotocol(): string {
    return this.#inner.subprotocol;
  }
  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }
  send(data: Data): SendResult {
    if (this.wire.gateway?.alive !== true) return "dropped";
    let result: SendResult = "sent";
    for (const part of this.#tap.pass(this.wire, "gatewayOut", data)) result = this.#inner.send(part);
    return result;
  }
  bufferedBytes(): number {
    return this.#inner.bufferedBytes();
  }
  subscribe(channel: string): void {
    this.channels.add(channel);
  }
  unsubscribe(channel: string): void {
    this.channels.delete(channel);
  }
  cork(run: () => void): void {
    this.#inner.cork(run);
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  close(code: number, reason: string): void {
    if (this.wire.gateway?.alive !== true) return;
    this.channels.clear();
    this.#inner.close(code, reason);
  }
  terminate(): void {
    if (this.wire.gateway?.alive === true) this.#inner.terminate();
  }
}
