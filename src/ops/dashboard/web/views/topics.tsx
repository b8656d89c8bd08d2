/**
 * Topics that the log holds, searched by filter, with the newest record of each; and who subscribes them on this node.
 * @module
 */
import { useState } from "preact/hooks";
import { ago, bytes, count } from "../format.ts";
import { addressOf, useGet, useStream } from "../hooks.ts";
import { type Column, type Page, PagedTable, Panel, useCursors } from "../parts.tsx";

type Topic = { readonly topic: string; readonly lastSeq: number; readonly lastTime: number; readonly bytes: number };
type Held = {
  readonly session: string;
  readonly subject: string;
  readonly filter: string;
  readonly qos: number;
  readonly mode: string;
};

const pageMax = 50;

const topicColumns: readonly Column<Topic>[] = [
  { name: "Topic", show: ({ topic }) => <a href={addressOf("log", "", { filter: topic })}>{topic}</a>, cut: true },
  { name: "Newest record", show: ({ lastSeq }) => count(lastSeq), number: true },
  { name: "When", show: ({ lastTime }) => ago(lastTime) },
  { name: "Its payload", show: (topic) => bytes(topic.bytes), number: true },
];

const heldColumns: readonly Column<Held>[] = [
  { name: "Filter", show: ({ filter }) => <code>{filter}</code>, cut: true },
  { name: "Session", show: ({ session }) => <a href={addressOf("sessions", session)}>{session}</a>, cut: true },
  { name: "Subject", show: ({ subject }) => subject || "anonymous", cut: true },
  { name: "QoS", show: ({ qos }) => String(qos), number: true },
  { name: "Mode", show: ({ mode }) => <span class={mode === "live" ? "good" : "warn"}>{mode}</span> },
];

export function Topics() {
  const [filter, setFilter] = useState(">");
  return (
    <>
      <h1>Topics</h1>
      <div class="row">
        <label>
          Filter
          <input class="mono" value={filter} onChange={(event) => setFilter(event.currentTarget.value.trim() || ">")} />
        </label>
      </div>
      <InTheLog key={filter} filter={filter} />
      <Subscriptions />
    </>
  );
}

function InTheLog({ filter }: { readonly filter: string }) {
  const cursors = useCursors();
  const page = useGet<Page<Topic>>(
    `/api/v1/topics?${new URLSearchParams({ filter, max: String(pageMax), cursor: cursors.cursor })}`,
    { everyMs: 5_000 },
  );
  return (
    <Panel title="In the log">
      <PagedTable
        caption="In order of their newest record"
        of={page}
        cursors={cursors}
        columns={topicColumns}
        keyOf={({ topic }) => topic}
      />
    </Panel>
  );
}

function Subscriptions() {
  const cursors = useCursors();
  const page = useStream<Page<Held>>(
    `/api/v1/subscriptions?max=${pageMax}&cursor=${encodeURIComponent(cursors.cursor)}`,
  );
  return (
    <Panel title="Subscribed on this node">
      <PagedTable
        caption="By session"
        of={page}
        cursors={cursors}
        columns={heldColumns}
        keyOf={(row) => `${row.session} ${row.filter}`}
      />
    </Panel>
  );
}
