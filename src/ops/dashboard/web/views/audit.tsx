/**
 * What operators changed: who, when, what, how it was and how it became.
 * @module
 */
import { instant } from "../format.ts";
import { useGet } from "../hooks.ts";
import { type Column, Pager, Panel, Shown, Table, useCursors } from "../parts.tsx";

type Entry = {
  readonly seq: number;
  readonly at: number;
  readonly who: string;
  readonly node: string;
  readonly action: string;
  readonly target: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly failed?: string;
};

const text = (value: unknown): string =>
  value === undefined || value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value);

const columns: readonly Column<Entry>[] = [
  { name: "Time", show: ({ at }) => instant(at) },
  { name: "Who", show: ({ who }) => who },
  {
    name: "What",
    show: ({ action, failed }) =>
      failed === undefined ? action : <span class="bad">{`${action}, failed: ${failed}`}</span>,
  },
  { name: "Of", show: ({ target }) => <code>{target}</code>, cut: true },
  { name: "Before", show: ({ before }) => <code>{text(before)}</code>, cut: true },
  { name: "After", show: ({ after }) => <code>{text(after)}</code>, cut: true },
  { name: "Node", show: ({ node }) => node },
];

export function Audit() {
  const cursors = useCursors();
  const page = useGet<{ readonly items: readonly Entry[]; readonly next?: string }>(
    `/api/v1/audit?max=50&after=${cursors.cursor || "0"}`,
    { everyMs: 5_000 },
  );
  return (
    <>
      <h1>Audit</h1>
      <Panel title="Changes">
        <Shown of={page}>
          {({ items, next }) => (
            <>
              <Table
                caption="Nothing here can be taken back or altered"
                columns={columns}
                rows={items}
                keyOf={({ seq }) => String(seq)}
              />
              <Pager cursors={cursors} next={next} />
            </>
          )}
        </Shown>
      </Panel>
    </>
  );
}
