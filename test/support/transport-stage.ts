/**
 * The stage on which the transport contract plays: a listener, the sockets that it opened, and what happened
 * to each end of them, in order.
 * @module
 */
import type { ClientSocket, ClientSocketEvents } from "../../src/client/ports.ts";
import type {
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  Transport,
  TransportHandlers,
  UpgradeDecision,
  UpgradeRequest,
} from "../../src/runtime/transport/transport.ts";
import { expect } from "./runner.ts";

export type RigClient = ClientSocket & { stall(): void; unstall(): void };
export type RigConnect = {
  readonly url: string;
  readonly subprotocols: readonly string[];
  readonly origin?: string | undefined;
  readonly events: ClientSocketEvents;
};
/** stopReading: `pause` keeps what arrives instead. cutOff: `terminate` leaves the TCP connection to its peer. */
export type TransportGap = "stopReading" | "cutOff";
export type TransportRig = {
  readonly name: string;
  /** What the host lacks. */
  readonly lacks: readonly TransportGap[];
  readonly transport: Transport;
  connect(options: RigConnect): RigClient;
  fetch(url: string, init?: RequestInit): Promise<Response>;
};

export type Happening =
  | { readonly kind: "open"; readonly subprotocol: string }
  | { readonly kind: "message"; readonly data: Uint8Array | string }
  | { readonly kind: "drain" }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** What happened to one end of a socket, in order. */
export class Happenings {
  readonly all: Happening[] = [];
  #taken = 0;
  #waiting: ((happening: Happening) => void) | undefined;

  add(happening: Happening): void {
    this.all.push(happening);
    if (this.#waiting === undefined) return;
    const wake = this.#waiting;
    this.#waiting = undefined;
    this.#taken += 1;
    wake(happening);
  }
  async next(): Promise<Happening> {
    const happening = this.all[this.#taken];
    if (happening === undefined)
      return new Promise((resolve) => {
        this.#waiting = resolve;
      });
    this.#taken += 1;
    return happening;
  }
  async until(wanted: (happening: Happening) => boolean): Promise<Happening> {
    for (;;) {
      const happening = await this.next();
      if (wanted(happening)) return happening;
    }
  }
  messages(): (Uint8Array | string)[] {
    return this.all.flatMap((happening) => (happening.kind === "message" ? [happening.data] : []));
  }
}

export type ClientEnd = { readonly client: RigClient; readonly seen: Happenings };
export type GatewayEnd = { readonly socket: Socket; readonly seen: Happenings };

export const messageBytesMax = 300_000;
export const backpressureBytesMax = 200_000;
export const heldBytesMax = 1_000_000;

/** A listener that accepts everything, and the sockets that it opened. */
export class Stage {
  readonly requests: UpgradeRequest[] = [];
  readonly sockets: GatewayEnd[] = [];
  readonly #rig: TransportRig;
  #opened: ((end: GatewayEnd) => void) | undefined;
  listener!: Listener;
  decide: (request: UpgradeRequest) => UpgradeDecision = () => ({ accept: true, subprotocol: "" });
  onMessage: (socket: Socket, data: Uint8Array | string) => void = () => {};

  constructor(rig: TransportRig) {
    this.#rig = rig;
  }
  async listen(options: Partial<ListenOptions> = {}): Promise<void> {
    this.listener = await this.#rig.transport.listen({ ...this.options(), ...options }, this.handlers());
  }
  options(): ListenOptions {
    return { hostname: "127.0.0.1", port: 0, messageBytesMax, backpressureBytesMax, heldBytesMax };
  }
  handlers(): TransportHandlers {
    return {
      upgrade: (request) => {
        this.requests.push(request);
        return this.decide(request);
      },
      open: (socket) => this.#open(socket),
      http: async (request) => new Response(`${request.method} ${new URL(request.url).pathname}`, { status: 203 }),
    };
  }
  url(path = "/"): string {
    return `ws://127.0.0.1:${this.listener.port}${path}`;
  }
  connect(options: Partial<RigConnect> = {}): ClientEnd {
    const seen = new Happenings();
    const events: ClientSocketEvents = {
      open: (subprotocol) => seen.add({ kind: "open", subprotocol }),
      message: (data) => seen.add({ kind: "message", data }),
      close: (code, reason) => seen.add({ kind: "close", code, reason }),
    };
    return { client: this.#rig.connect({ url: this.url(), subprotocols: [], events, ...options }), seen };
  }
  /** Both ends of an open connection. */
  async pair(): Promise<ClientEnd & { readonly gateway: GatewayEnd }> {
    const opened = new Promise<GatewayEnd>((resolve) => {
      this.#opened = resolve;
    });
    const end = this.connect();
    expect(await end.seen.next()).toEqual({ kind: "open", subprotocol: "" });
    return { ...end, gateway: await opened };
  }
  #open(socket: Socket): SocketHandler {
    const seen = new Happenings();
    const end = { socket, seen };
    this.sockets.push(end);
    this.#opened?.(end);
    return {
      message: (data: Uint8Array | string) => {
        seen.add({ kind: "message", data });
        this.onMessage(socket, data);
      },
      drain: () => seen.add({ kind: "drain" }),
      close: (code: number, reason: string) => seen.add({ kind: "close", code, reason }),
    };
  }
}
