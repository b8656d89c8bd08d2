/**
 * What views have in common: data that is fetched, data that streams in, the address, the reader's role.
 * @module
 */
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import { get, Problem, stream } from "./api.ts";

export type Role = "viewer" | "operator" | "admin";
const order: readonly Role[] = ["viewer", "operator", "admin"];

export type Reader = { readonly name: string; readonly role: Role };
export const ReaderContext = createContext<Reader>({ name: "", role: "viewer" });

export function may(reader: Reader, role: Role): boolean {
  return order.indexOf(reader.role) >= order.indexOf(role);
}

/** Buttons that the reader's role does not allow are not shown; the gateway refuses them in any case. */
export function useMay(role: Role): boolean {
  return may(useContext(ReaderContext), role);
}

export type Loaded<T> = {
  readonly data?: T;
  readonly problem?: Problem;
  readonly reload: () => void;
};

const asProblem = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, error instanceof Error ? error.message : String(error));

type Again = {
  /** While the page is looked at. */
  readonly everyMs?: number;
  /** Whenever this changes. */
  readonly with?: unknown;
};

/** Fetches `path` (undefined: nothing yet), and again as `again` says. */
export function useGet<T>(path: string | undefined, again: Again = {}): Loaded<T> {
  const { everyMs } = again;
  const [state, setState] = useState<{ path?: string; data?: T; problem?: Problem }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === undefined) return;
    const gone = new AbortController();
    get<T>(path, gone.signal).then(
      (data) => setState({ path, data }),
      (error: unknown) => {
        if (!gone.signal.aborted) setState((before) => ({ ...before, path, problem: asProblem(error) }));
      },
    );
    return () => gone.abort();
  }, [path, turn, again.with]);
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setTurn((n) => n + 1);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const { data, problem } = state.path === path ? state : {};
  return { reload, ...(data === undefined ? {} : { data }), ...(problem === undefined ? {} : { problem }) };
}

const returnMs = 2_000;

/** Follows a stream of server-sent events, and comes back to it after it was cut. Away while nobody looks. */
export function useStream<T>(path: string, onData?: (data: T) => void): Loaded<T> {
  const [state, setState] = useState<{ data?: T; problem?: Problem }>({});
  const listener = useRef(onData);
  listener.current = onData;
  useEffect(() => {
    let gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const take = (data: unknown): void => {
      setState({ data: data as T });
      listener.current?.(data as T);
    };
    const follow = (): void => {
      const { signal } = gone;
      stream(path, { signal, onData: take })
        .catch((error: unknown) => {
          if (!signal.aborted) setState((before) => ({ ...before, problem: asProblem(error) }));
        })
        .finally(() => {
          if (!signal.aborted) timer = setTimeout(follow, returnMs);
        });
    };
    const look = (): void => {
      gone.abort();
      clearTimeout(timer);
      gone = new AbortController();
      if (document.visibilityState === "visible") follow();
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      gone.abort();
      clearTimeout(timer);
    };
  }, [path]);
  return { ...state, reload: () => undefined };
}

export type Place = { readonly view: string; readonly id: string; readonly query: URLSearchParams };

/** `#/sessions/s1?seq=5` */
export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/");
  return { view, id: decodeURIComponent(rest.join("/")), query: new URLSearchParams(query) };
}

export function addressOf(view: string, id = "", query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `#/${view}${id === "" ? "" : `/${encodeURIComponent(id)}`}${text === "" ? "" : `?${text}`}`;
}

export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const moved = (): void => setHash(location.hash);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return placeOf(hash);
}
