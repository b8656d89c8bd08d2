/**
 * uWebSockets.js as the adapter sees it: the shapes that it uses, loading it, and what its releases name differently.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type UwsData = string | ArrayBuffer | Uint8Array;
/** Opaque and native. */
export type UwsListenSocket = object;

export type UwsWebSocket<UserData> = {
  /** 1 sent, 0 buffered, 2 dropped. */
  send(message: UwsData, isBinary: boolean): number;
  getBufferedAmount(): number;
  /** With a closing frame. The close handler runs inside of the call. */
  end(code: number, reason: string): void;
  /** Without one. The close handler runs inside of the call. */
  close(): void;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  getTopics(): string[];
  cork(run: () => void): unknown;
  getUserData(): UserData;
};
/** Lives on the stack of the handler's call. */
export type UwsRequest = {
  getHeader(lowerCaseName: string): string;
  getUrl(): string;
  getQuery(): string | undefined;
  getCaseSensitiveMethod(): string;
  forEachHeader(each: (name: string, value: string) => void): void;
};
/** Must not be touched once `onAborted` was called. */
export type UwsResponse = {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body?: UwsData): UwsResponse;
  /** False: it is kept, but `onWritable` should be waited for. */
  write(body: UwsData): boolean;
  onWritable(writable: (offset: number) => boolean): UwsResponse;
  endWithoutBody(contentLength: number): UwsResponse;
  onAborted(aborted: () => void): UwsResponse;
  /** The chunk is the handler's only until it returns. */
  onData(chunk: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  getRemoteAddressAsText(): ArrayBuffer;
  cork(run: () => void): UwsResponse;
  upgrade(userData: unknown, key: string, subprotocol: string, extensions: string, context: unknown): void;
};
export type UwsApp = {
  ws(pattern: string, behavior: object): UwsApp;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  listen(host: string, port: number, options: number, listening: (socket: UwsListenSocket | false) => void): UwsApp;
  publish(topic: string, message: UwsData, isBinary: boolean): boolean;
  /** Ends every socket, and stops listening. */
  close(): UwsApp;
};
export type UwsModule = {
  App(): UwsApp;
  SSLApp(options: { readonly cert_file_name: string; readonly key_file_name: string }): UwsApp;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly us_socket_local_port?: (socket: UwsListenSocket) => number;
  readonly us_listen_socket_close?: (socket: UwsListenSocket) => void;
  /** The same two, as the package on npm names them. */
  readonly getSocketPort?: (socket: UwsListenSocket) => number;
  readonly closeSocket?: (socket: UwsListenSocket) => void;
};

/** A variable, so that no bundler and no type check follows it: the package is optional. */
const packageName = "uWebSockets.js";
const howToAdd =
  "add it with `npm install uNetworking/uWebSockets.js#v20.66.0` (it is not on the npm registry), or run Weir on Bun or Deno";

export async function loadUws(): Promise<UwsModule> {
  try {
    const { default: uws } = (await import(packageName)) as { default: UwsModule };
    return uws;
  } catch (cause) {
    const missing = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    const why = missing
      ? "which is not installed"
      : `which does not load here (${(cause as Error).message.split("\n")[0]})`;
    throw new Error(`Weir on Node ${process.versions.node} needs uWebSockets.js, ${why}: ${howToAdd}`, { cause });
  }
}

/** It reads certificate and key from files alone: they exist as long as this call, for this user only. */
export function makeApp(uws: UwsModule, tls: { readonly cert: string; readonly key: string } | undefined): UwsApp {
  if (tls === undefined) return uws.App();
  const folder = mkdtempSync(join(tmpdir(), "weir-tls-"));
  try {
    const [cert_file_name, key_file_name] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    writeFileSync(cert_file_name, tls.cert, { mode: 0o600 });
    writeFileSync(key_file_name, tls.key, { mode: 0o600 });
    return uws.SSLApp({ cert_file_name, key_file_name });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function portOf(uws: UwsModule, socket: UwsListenSocket): number {
  const port = (uws.us_socket_local_port ?? uws.getSocketPort)?.(socket);
  if (port === undefined) throw new Error("This uWebSockets.js does not tell the port that it listens on");
  return port;
}

export function stopListening(uws: UwsModule, socket: UwsListenSocket): void {
  (uws.us_listen_socket_close ?? uws.closeSocket)?.(socket);
}

/** It says only that it cannot listen; the same wish, asked of Node, is answered with the cause. */
export async function cannotListen(hostname: string, port: number): Promise<Error> {
  const code = await new Promise<string>((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen(port, hostname, () => probe.close(() => resolve("refused by uWebSockets.js")));
  });
  return new Error(`Cannot listen on ${hostname}:${port}: ${code}`, { cause: { code } });
}
