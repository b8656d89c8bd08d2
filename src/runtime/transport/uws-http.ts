/**
 * One HTTP request of uWebSockets.js as a `Request`, and the `Response` to it. Request and response live on the
 * stack of the call: all that is asked of them is asked before anything is awaited.
 * @module
 */
import { STATUS_CODES } from "node:http";
import type { ListenOptions, TransportHandlers } from "./transport.ts";
import type { UwsRequest, UwsResponse } from "./uws-host.ts";

export type HttpExchange = {
  readonly response: UwsResponse;
  readonly request: UwsRequest;
  readonly options: ListenOptions;
  readonly http: TransportHandlers["http"];
};
type Head = {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly remoteAddress: string;
};

export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? "Unknown"}`;
}

export function answerHttp({ response, request, options, http }: HttpExchange): void {
  const exchange = new Exchange(response);
  const remoteAddress = addressOf(response);
  const head = headOf(request, { scheme: options.tls === undefined ? "http" : "https", remoteAddress });
  if (head === undefined) return exchange.refuse(400, "Not a valid request\n");
  // A valid one would have gone to `upgrade`.
  if (head.headers.get("upgrade")?.toLowerCase() === "websocket")
    return exchange.refuse(400, "Not a valid WebSocket upgrade\n");
  const run = (body?: Buffer): void => void exchange.answer(head, http, body);
  if (head.method === "GET" || head.method === "HEAD") return run();
  collectBody(response, options.messageBytesMax, (body) => {
    if (body === undefined) exchange.refuse(413, "Body too large\n");
    else run(body);
  });
}

export function addressOf(response: UwsResponse): string {
  return Buffer.from(response.getRemoteAddressAsText()).toString();
}

type Peer = { readonly scheme: "http" | "https"; readonly remoteAddress: string };

function headOf(request: UwsRequest, { scheme, remoteAddress }: Peer): Head | undefined {
  const method = request.getCaseSensitiveMethod().toUpperCase();
  const query = request.getQuery();
  const path = `${request.getUrl()}${query === undefined || query === "" ? "" : `?${query}`}`;
  try {
    const headers = new Headers();
    request.forEachHeader((name, value) => headers.append(name, value));
    const url = new URL(`${scheme}://${headers.get("host") ?? "localhost"}${path}`).href;
    new Request(url, { method });
    return { method, url, headers, remoteAddress };
  } catch {
    return undefined;
  }
}

/** Calls `done` once: with the body, or with undefined as soon as it is too large. */
function collectBody(response: UwsResponse, bytesMax: number, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let refused = false;
  response.onData((chunk, isLast) => {
    if (refused) return;
    bytes += chunk.byteLength;
    refused = bytes > bytesMax;
    if (refused) return done(undefined);
    chunks.push(Buffer.from(chunk.slice(0)));
    if (isLast) done(Buffer.concat(chunks));
  });
}

class Exchange {
  readonly #response: UwsResponse;
  #over = false;
  /** Of a stream: wakes who waits for room, and tells who makes it that nobody reads any more. */
  #aborted = (): void => {};

  constructor(response: UwsResponse) {
    this.#response = response;
    response.onAborted(() => {
      this.#over = true;
      this.#aborted();
    });
  }

  refuse(status: number, text: string): void {
    this.#write("GET", new Response(text, { status }), Buffer.from(text));
  }

  async answer(
    { method, url, headers, remoteAddress }: Head,
    http: HttpExchange["http"],
    body?: Buffer,
  ): Promise<void> {
    try {
      const withBody = body === undefined || body.length === 0 ? {} : { body: new Uint8Array(body) };
      const response = await http(new Request(url, { method, headers, ...withBody }), remoteAddress);
      const { body: content } = response;
      const streams = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
      if (streams && content !== null && method !== "HEAD") return await this.#stream(response, content);
      this.#write(method, response, Buffer.from(await response.arrayBuffer()));
    } catch {
      this.refuse(500, "Internal error\n");
    }
  }

  async #stream(response: Response, content: ReadableStream<Uint8Array>): Promise<void> {
    const reader = content.getReader();
    this.#aborted = () => void reader.cancel();
    if (this.#over) return this.#aborted();
    this.#response.cork(() => this.#writeHead(response));
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#over) return;
      if (done) break;
      let taken = true;
      this.#response.cork(() => {
        taken = this.#response.write(value);
      });
      if (!taken) await this.#writable(reader);
    }
    this.#over = true;
    this.#response.cork(() => this.#response.end());
  }

  #writable(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    return new Promise((resolve) => {
      this.#aborted = () => {
        void reader.cancel();
        resolve();
      };
      this.#response.onWritable(() => {
        resolve();
        return true;
      });
    });
  }

  #writeHead({ status, headers }: Response): void {
    this.#response.writeStatus(statusLine(status));
    headers.forEach((value, name) => {
      if (name !== "content-length") this.#response.writeHeader(name, value);
    });
  }

  #write(method: string, response: Response, body: Buffer): void {
    if (this.#over) return;
    this.#over = true;
    this.#response.cork(() => {
      this.#writeHead(response);
      if (method === "HEAD") this.#response.endWithoutBody(body.length);
      else this.#response.end(body);
    });
  }
}
