/**
 * Asks a running gateway what is in its memory, over its REST API.
 * @module
 */
import type { ConnectionView, SessionView } from "../../runtime/inspection.ts";
import type { LiveState } from "./live.ts";

const answerWithinMs = 10_000;

export class LiveError extends Error {
  override readonly name = "LiveError";
}

/** Nobody answers there at all. */
export class SilentError extends LiveError {}

/** `url`: of the gateway. `token`: API key or JWT. */
export function liveOver(url: string, token: string | undefined): LiveState {
  const ask = async <T>(path: string): Promise<T | undefined> => {
    const response = await answer(new URL(path, url), token);
    if (response.status === 404) return undefined;
    if (!response.ok)
      throw new LiveError(`${url} answers ${response.status} for ${path}: ${await refusalText(response)}`);
    return (await response.json()) as T;
  };
  return {
    session: (id) => ask<SessionView>(`/api/v1/sessions/${encodeURIComponent(id)}`),
    connection: (id) => ask<ConnectionView>(`/api/v1/connections/${encodeURIComponent(id)}`),
  };
}

/** What a gateway that does not answer would add is left out; that it did not is told once. */
export function liveOrNothing(live: LiveState, told: (message: string) => void): LiveState {
  let silent = false;
  const unlessSilent = async <T>(ask: () => Promise<T | undefined>): Promise<T | undefined> => {
    if (silent) return undefined;
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof SilentError)) throw error;
      if (!silent) told(error.message);
      silent = true;
      return undefined;
    }
  };
  return {
    session: (id) => unlessSilent(() => live.session(id)),
    connection: (id) => unlessSilent(() => live.connection(id)),
  };
}

/** What a gateway says of why it does not answer what was asked: the sentence of its problem details. */
export async function refusalText(response: Response): Promise<string> {
  const body = await response.text();
  try {
    const { detail } = JSON.parse(body) as { readonly detail?: unknown };
    return typeof detail === "string" ? detail : body;
  } catch {
    return body; // Of a proxy, perhaps.
  }
}

/** Rejects when nobody answers. */
export async function answer(url: URL, token: string | undefined): Promise<Response> {
  try {
    return await fetch(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(answerWithinMs),
    });
  } catch (error) {
    throw new SilentError(`No answer from ${url.origin}, is a gateway running there? ${(error as Error).message}`);
  }
}
