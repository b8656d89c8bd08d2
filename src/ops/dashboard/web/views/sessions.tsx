/**
 * Sessions: those in the memory of this node, live, searched by subject or id; and all that the log knows, ended ones too.
 * @module
 */
import { useState } from "preact/hooks";
import type { SessionView } from "../../../../runtime/inspection.ts";
import type { ActorRow } from "../../../replay/inspect.ts";
import type { Lag } from "../../../replay/lag.ts";
import { ago, count, instant } from "../format.ts";
import { addressOf, useGet, useStream } from "../hooks.ts";
import { type Column, type Page, PagedTable, Panel, Shown, Table, useCursors } from "../parts.tsx";

const pageMax = 50;

const inFlight = ({ subscriptions }: SessionView): number =>
  subscriptions.flatMap(({ chains }) => chains).reduce((sum, { inFlightRecords }) => sum + inFlightRecords, 0);

const link = (id: string) => <a href={addressOf("sessions", id)}>{id}</a>;

const columns: readonly Column<SessionView>[] = [
  { name: "Session", show: ({ id }) => link(id), cut: true },
  { name: "Subject", show: ({ subject }) => subject || <span class="dim">anonymous</span>, cut: true },
  { name: "State", show: ({ status }) => <span class={status === "attached" ? "good" : "warn"}>{status}</span> },
  { name: "Opened", show: ({ openedAt }) => ago(openedAt) },
  { name: "Subscriptions", show: ({ subscriptions }) => count(subscriptions.length), number: true },
  {
    name: "Behind",
    show: ({ subscriptions }) => count(subscriptions.filter(({ mode }) => mode === "behind").length),
    number: true,
  },
  { name: "In flight", show: (session) => count(inFlight(session)), number: true },
  { name: "Published", show: ({ publishedUpTo }) => count(publishedUpTo), number: true },
];

const lagColumns: readonly Column<Lag>[] = [
  { name: "Session", show: ({ session }) => link(session), cut: true },
  { name: "Subject", show: ({ subject }) => subject || "anonymous", cut: true },
  { name: "State", show: ({ state }) => state },
  { name: "Records behind", show: ({ records, more }) => `${count(records)}${more ? " or more" : ""}`, number: true },
  { name: "Oldest", show: ({ oldestAt }) => (oldestAt === undefined ? "–" : ago(oldestAt)) },
  {
    name: "By filter",
    show: ({ filters }) => filters.map(({ filter, records }) => `${filter} ${count(records)}`).join(", "),
    cut: true,
  },
];

const journalColumns: readonly Column<ActorRow>[] = [
  { name: "Session", show: ({ id }) => link(id), cut: true },
  { name: "State", show: ({ state }) => state },
  { name: "Since", show: ({ since }) => instant(since) },
  { name: "Last event", show: ({ lastEventAt }) => ago(lastEventAt) },
  { name: "Events", show: ({ events }) => count(events), number: true },
];

export function Sessions({ query }: { readonly query: URLSearchParams }) {
  const [subject, setSubject] = useState(query.get("subject") ?? "");
  const [status, setStatus] = useState("");
  const cursors = useCursors();
  const search = (change: () => void): void => {
    cursors.reset();
    change();
  };
  const asked = new URLSearchParams({ max: String(pageMax), cursor: cursors.cursor });
  if (subject !== "") asked.set("subject", subject);
  if (status !== "") asked.set("status", status);
  const page = useStream<Page<SessionView>>(`/api/v1/sessions?${asked}`);
  return (
    <>
      <h1>Sessions</h1>
      <Find />
      <Panel title="In the memory of this node">
        <div class="row">
          <label>
            Subject
            <input value={subject} onChange={(event) => search(() => setSubject(event.currentTarget.value.trim()))} />
          </label>
          <label>
            State
            <select value={status} onChange={(event) => search(() => setStatus(event.currentTarget.value))}>
              <option value="">any</option>
              <option>attached</option>
              <option>detached</option>
            </select>
          </label>
        </div>
        <PagedTable
          caption="Attached, or waiting to be resumed; oldest first"
          of={page}
          cursors={cursors}
          columns={columns}
          keyOf={({ id }) => id}
        />
      </Panel>
      <Furthest />
      <Journals />
    </>
  );
}

function Find() {
  const go = (event: SubmitEvent): void => {
    event.preventDefault();
    const id = new FormData(event.target as HTMLFormElement).get("id");
    if (typeof id === "string" && id !== "") location.hash = addressOf("sessions", id.trim());
  };
  return (
    <form class="row" onSubmit={go}>
      <label>
        Session id
        <input name="id" class="mono" />
      </label>
      <button type="submit">Open</button>
    </form>
  );
}

function Furthest() {
  const lag = useGet<{ readonly sessions: readonly Lag[] }>("/api/v1/lag?max=10");
  return (
    <Panel title="Furthest behind">
      <Shown of={lag}>
        {({ sessions }) => (
          <Table
            caption="Records that wait to be processed"
            columns={lagColumns}
            rows={sessions}
            keyOf={({ session }) => session}
          />
        )}
      </Shown>
      <button type="button" onClick={lag.reload}>
        Count again
      </button>
    </Panel>
  );
}

function Journals() {
  const cursors = useCursors();
  const page = useGet<Page<ActorRow>>(
    `/api/v1/journals/session?max=${pageMax}&cursor=${encodeURIComponent(cursors.cursor)}`,
  );
  return (
    <Panel title="In the log">
      <PagedTable
        caption="Also those that have ended, in order of their ids"
        of={page}
        cursors={cursors}
        columns={journalColumns}
        keyOf={({ id }) => id}
      />
    </Panel>
  );
}
