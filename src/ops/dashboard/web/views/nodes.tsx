/**
 * Nodes and pools: what there is. A node is a gateway process; of the others on the same log what they say of
 * themselves, and how they look from here.
 * @module
 */
import { useState } from "preact/hooks";
import type { Member } from "../../../../runtime/cluster/membership.ts";
import type { ConnectionView, NodeView } from "../../../../runtime/inspection.ts";
import type { PoolView } from "../../../../runtime/pool/pool-view.ts";
import { send } from "../api.ts";
import { ago, bytes, count, span } from "../format.ts";
import { useMay, useStream } from "../hooks.ts";
import { Action, type Column, Facts, type Page, PagedTable, Panel, Shown, Table, useCursors } from "../parts.tsx";

type NodeRow = { readonly id: string; readonly self: boolean; readonly member: Member; readonly node?: NodeView };

export function Nodes() {
  const nodes = useStream<Page<NodeRow>>("/api/v1/nodes");
  const pools = useStream<Page<PoolView>>("/api/v1/pools");
  return (
    <>
      <h1>Nodes and pools</h1>
      <Shown of={nodes}>
        {({ items }) => (
          <>
            <Members rows={items} />
            <div class="grid">
              {items.map(({ id, node }) => (node === undefined ? null : <Node key={id} node={node} />))}
            </div>
          </>
        )}
      </Shown>
      <Connections />
      <Panel title="Pools">
        <Shown of={pools}>
          {({ items }) => (items.length === 0 ? <p class="dim">There are no pools</p> : <Pools rows={items} />)}
        </Shown>
      </Panel>
    </>
  );
}

function Pools({ rows }: { readonly rows: readonly PoolView[] }) {
  const columns: readonly Column<PoolView>[] = [
    { name: "Pool", show: ({ name }) => <b>{name}</b> },
    { name: "Status", show: ({ status }) => status },
    { name: "Coordinator", show: ({ coordinator }) => coordinator ?? "none" },
    { name: "Topics", show: ({ settings }) => <code>{settings.filters.join(" ")}</code>, cut: true },
    { name: "Strategy", show: ({ settings }) => settings.strategy },
    { name: "Members", show: ({ members }) => count(members.length), number: true },
    { name: "Wanted", show: ({ wanted }) => (wanted === undefined ? "–" : count(wanted)), number: true },
    { name: "Given out", show: ({ inFlight, capacity }) => `${count(inFlight)} of ${count(capacity)}`, number: true },
    { name: "Waiting", show: ({ waiting }) => count(waiting), number: true },
    { name: "Done", show: ({ done }) => count(done), number: true },
    { name: "Given up", show: ({ deadLettered }) => count(deadLettered), number: true },
  ];
  return <Table caption="Pools of all nodes" columns={columns} rows={rows} keyOf={({ name }) => name} />;
}

const trouble = new Set<Member["status"]>(["suspect", "unhealthy"]);

function Members({ rows }: { readonly rows: readonly NodeRow[] }) {
  const columns: readonly Column<NodeRow>[] = [
    { name: "Node", show: ({ id, self }) => (self ? <b>{id}</b> : id) },
    {
      name: "Status",
      show: ({ member }) => (
        <span class={trouble.has(member.status) ? "bad" : member.status === "healthy" ? "good" : "warn"}>
          {member.status}
        </span>
      ),
    },
    { name: "Since", show: ({ member }) => ago(member.since) },
    { name: "Why", show: ({ member }) => member.cause, cut: true },
    { name: "Address", show: ({ member }) => <code>{member.url}</code>, cut: true },
    {
      name: "Version",
      show: ({ member }) => (member.compatible ? member.version : `${member.version}, too far from this one`),
    },
    { name: "Zone", show: ({ member }) => member.zone ?? "–" },
    { name: "Weight", show: ({ member }) => count(member.weight), number: true },
    { name: "Connections", show: ({ member }) => count(member.load.connections), number: true },
    { name: "Sessions", show: ({ member }) => count(member.load.sessions), number: true },
    { name: "CPU", show: ({ member }) => `${Math.round(100 * member.load.cpu)} %`, number: true },
    { name: "Loop delay", show: ({ member }) => span(member.load.loopDelayMs), number: true },
    { name: "Memory", show: ({ member }) => bytes(member.load.residentBytes), number: true },
    { name: "In", show: ({ member }) => `${bytes(member.load.bytesInPerSecond)}/s`, number: true },
    { name: "Out", show: ({ member }) => `${bytes(member.load.bytesOutPerSecond)}/s`, number: true },
  ];
  return (
    <Panel title="Members of the cluster, as this node sees them">
      <Table caption="By name" columns={columns} rows={rows} keyOf={({ id }) => id} />
    </Panel>
  );
}

function Node({ node }: { readonly node: NodeView }) {
  const { id, version, state, startedAt, log, inflow, ring } = node;
  return (
    <Panel title={id}>
      <Facts
        facts={[
          [
            "State",
            <span key="state" class={state === "running" ? "good" : "warn"}>
              {state}
            </span>,
          ],
          ["Version", version],
          ["Started", ago(startedAt)],
          ["Connections", count(node.connections)],
          [
            "Sessions",
            `${count(node.sessionsAttached)} attached, ${count(node.sessions)} in memory, at most ${count(node.sessionsMax)}`,
          ],
          ["Subscriptions behind", count(node.subscriptionsBehind)],
          ["Filters", count(node.filters)],
          ["Fanned out up to", `${count(node.position)} of ${count(log.lastSeq)}`],
          ["Recent records kept", `${count(ring.records)}, ${bytes(ring.bytes)}`],
          ["Publishes that wait for the log", `${bytes(inflow.bytes)} of ${bytes(inflow.bytesMax)}`],
          ["Log", `${count(log.records)} records, ${bytes(log.bytes)}, tier ${log.tier}, from ${count(log.firstSeq)}`],
          ["Memory", bytes(node.residentBytes)],
          ["CPU", span(node.cpuSeconds * 1_000)],
          ["Actors that crashed", count(node.actorCrashes)],
        ]}
      />
      <Drain node={node} />
    </Panel>
  );
}

function Drain({ node }: { readonly node: NodeView }) {
  if (!useMay("operator")) return null;
  const path = `/api/v1/nodes/${encodeURIComponent(node.id)}/drain`;
  return (
    <div class="row">
      {node.state === "running" ? (
        <Action
          label="Drain"
          ask={`Ask all clients of ${node.id} to go elsewhere and refuse new ones?`}
          run={() => send("POST", path)}
        />
      ) : (
        <Action
          label="Take clients again"
          ask={`Let ${node.id} take clients again?`}
          run={() => send("DELETE", path)}
        />
      )}
    </div>
  );
}

const pageMax = 25;

function Connections() {
  const cursors = useCursors();
  const [open, setOpen] = useState(false);
  return (
    <Panel title="Connections of this node">
      {open ? (
        <ConnectionTable cursors={cursors} />
      ) : (
        <button type="button" onClick={() => setOpen(true)}>
          Show
        </button>
      )}
    </Panel>
  );
}

function ConnectionTable({ cursors }: { readonly cursors: ReturnType<typeof useCursors> }) {
  const may = useMay("operator");
  const page = useStream<Page<ConnectionView>>(
    `/api/v1/connections?max=${pageMax}&cursor=${encodeURIComponent(cursors.cursor)}`,
  );
  const columns: readonly Column<ConnectionView>[] = [
    { name: "Connection", show: ({ id }) => <code>{id}</code> },
    { name: "Session", show: ({ session }) => session ?? "–", cut: true },
    { name: "Subject", show: ({ subject }) => subject || "anonymous", cut: true },
    { name: "From", show: ({ remoteAddress }) => remoteAddress },
    { name: "State", show: ({ state }) => state },
    { name: "Codec", show: ({ codec }) => codec },
    { name: "Open", show: ({ openedAt }) => ago(openedAt) },
    { name: "Buffered", show: ({ bufferedBytes }) => bytes(bufferedBytes), number: true },
    {
      name: "Round trip",
      show: ({ roundTripMs }) => (roundTripMs === undefined ? "–" : span(roundTripMs)),
      number: true,
    },
    ...(may
      ? [
          {
            name: "",
            show: ({ id }: ConnectionView) => (
              <Action
                label="Disconnect"
                ask={`Disconnect ${id}? Its session stays, but an SDK client ends and does not come back by itself. To have it go on, expire its session instead.`}
                run={() => send("POST", `/api/v1/connections/${encodeURIComponent(id)}/disconnect`)}
              />
            ),
          },
        ]
      : []),
  ];
  return <PagedTable caption="Oldest first" of={page} cursors={cursors} columns={columns} keyOf={({ id }) => id} />;
}
