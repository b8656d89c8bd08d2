/**
 * Pieces that several views are made of.
 * @module
 */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Loaded } from "./hooks.ts";

export function Panel({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** What went wrong, or that it is not there yet, or the children. */
export function Shown<T>({
  of,
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {of.problem !== undefined && <ProblemNote message={of.problem.message} />}
      {of.data === undefined ? of.problem === undefined && <p class="dim">Loading …</p> : children(of.data)}
    </>
  );
}

export function ProblemNote({ message }: { readonly message: string }) {
  return (
    <p class="panel problem" role="alert">
      {message}
    </p>
  );
}

export type Column<T> = {
  readonly name: string;
  readonly show: (row: T) => ComponentChildren;
  readonly number?: boolean;
  /** Long texts end in an ellipsis. */
  readonly cut?: boolean;
};

export type TableProps<T> = {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly selected?: string;
};

export function Table<T>({ caption, columns, rows, keyOf, selected }: TableProps<T>) {
  return (
    <div class="scroll">
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name, number }) => (
              <th key={name} scope="col" class={number ? "number" : ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-selected={selected === keyOf(row)}>
              {columns.map(({ name, show, number, cut }) => (
                <td key={name} class={number ? "number" : cut ? "cut" : ""}>
                  {show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p class="dim">Nothing here</p>}
    </div>
  );
}

/** A way back through pages that are only linked forward: the cursors that were visited. */
export function useCursors() {
  const [visited, setVisited] = useState<readonly string[]>([""]);
  const cursor = visited[visited.length - 1] ?? "";
  return {
    cursor,
    page: visited.length,
    forward: (next: string) => setVisited([...visited, next]),
    back: () => setVisited(visited.slice(0, -1)),
    reset: () => setVisited([""]),
  };
}

/** As REST answers lists. */
export type Page<T> = { readonly items: readonly T[]; readonly next?: string };

type PagerProps = { readonly cursors: ReturnType<typeof useCursors>; readonly next: string | undefined };

function Pager({ cursors, next }: PagerProps) {
  if (cursors.page === 1 && next === undefined) return null;
  return (
    <div class="row">
      <button type="button" disabled={cursors.page === 1} onClick={cursors.back}>
        Back
      </button>
      <span class="dim">Page {cursors.page}</span>
      <button type="button" disabled={next === undefined} onClick={() => next !== undefined && cursors.forward(next)}>
        More
      </button>
    </div>
  );
}

type PagedTableProps<T> = Omit<TableProps<T>, "rows"> & {
  readonly of: Loaded<Page<T>>;
  readonly cursors: ReturnType<typeof useCursors>;
};

/** A list of REST, page by page. */
export function PagedTable<T>({ of, cursors, ...table }: PagedTableProps<T>) {
  return (
    <Shown of={of}>
      {({ items, next }) => (
        <>
          <Table {...table} rows={items} />
          <Pager cursors={cursors} next={next} />
        </>
      )}
    </Shown>
  );
}

export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </>
      ))}
    </dl>
  );
}

export function Json({ value }: { readonly value: unknown }) {
  return <pre>{JSON.stringify(value, undefined, 2)}</pre>;
}

/** Asks before it does; says what came of it. */
export function Action({
  label,
  ask,
  run,
}: {
  readonly label: string;
  readonly ask: string;
  readonly run: () => Promise<unknown>;
}) {
  const [said, setSaid] = useState("");
  const act = async (): Promise<void> => {
    if (!confirm(ask)) return;
    try {
      await run();
      setSaid("Done");
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => void act()}>
        {label}
      </button>
      <span role="status">{said}</span>
    </>
  );
}
