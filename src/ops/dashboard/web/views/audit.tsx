/**
 * What operators changed: who, when, what, how it was and how it became.
 * @module
 */
import { instant, text } from "../format.ts";
import { useGet } from "../hooks.ts";
import { type Column, type Page, PagedTable, Panel, useCursors } from "../parts.tsx";

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
  const page = useGet<Page<Entry>>(`/api/v1/audit?max=50&after=${cursors.cursor || "0"}`, { everyMs: 5_000 });
  return (
    <>
      <h1>Audit</h1>
      <Panel title="Changes">
        <PagedTable
          caption="Nothing here can be taken back or altered"
          of={page}
          cursors={cursors}
          columns={columns}
          keyOf={({ seq }) => String(seq)}
        />
      </Panel>
    </>
  );
}
