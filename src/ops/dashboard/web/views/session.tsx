/**
 * One session, now and at any point of its past: its events in order, its state after each of them, why it is where it
 * is, and its statechart.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { SessionView, SubscriptionView } from "../../../../runtime/inspection.ts";
import type { TimelineEntry } from "../../../replay/actor.ts";
import type { Inspection } from "../../../replay/inspect.ts";
import { counted } from "../../../replay/text.ts";
import type { Finding } from "../../../replay/why.ts";
import type { Statechart as Chart } from "../../statecharts.ts";
import { send } from "../api.ts";
import { ago, bytes, clock, count, instant } from "../format.ts";
import { addressOf, useGet, useMay } from "../hooks.ts";
import { Action, type Column, Facts, Json, Panel, Shown, Table } from "../parts.tsx";
import { Statechart } from "../statechart.tsx";

const eventsMax = 500;
const liveMs = 2_000;

type Props = { readonly id: string; readonly query: URLSearchParams };

export function Session({ id, query }: Props) {
  const base = `/api/v1/sessions/${encodeURIComponent(id)}`;
  const now = useGet<Inspection>(`${base}/state`, { everyMs: liveMs });
  const last = now.data?.seq ?? 0;
  const asked = Number(query.get("seq") ?? "");
  // No seq in the address: the newest, whatever comes.
  const seq = asked > 0 ? Math.min(asked, Math.max(last, 1)) : last;
  return (
    <>
      <h1>
        Session <code>{id}</code>
      </h1>
      {now.data !== undefined && <Operations base={base} id={id} />}
      <Shown of={now}>
        {(inspection) => (
          <>
            <Live live={inspection.live as SessionView | undefined} />
            <Causes base={base} last={last} />
            <TimeTravel id={id} base={base} seq={seq} last={last} />
          </>
        )}
      </Shown>
    </>
  );
}

function Operations({ base, id }: { readonly base: string; readonly id: string }) {
  if (!useMay("operator")) return null;
  return (
    <div class="row">
      <Action
        label="Expire"
        ask={`End session ${id} for good? What it has not processed is not delivered any more; its client goes on in a new session.`}
        run={() => send("POST", `${base}/expire`)}
      />
    </div>
  );
}

// --- now ---

const subscriptionColumns: readonly Column<SubscriptionView>[] = [
  { name: "Filter", show: ({ filter }) => <code>{filter}</code> },
  { name: "QoS", show: ({ qos }) => String(qos), number: true },
  { name: "Mode", show: ({ mode }) => <span class={mode === "live" ? "good" : "warn"}>{mode}</span> },
  {
    name: "Processed up to",
    show: ({ chains }) => chains.map(({ lane, position }) => `${lane} ${position}`).join(", "),
  },
  {
    name: "In flight",
    show: ({ chains }) => count(chains.reduce((sum, one) => sum + one.inFlightRecords, 0)),
    number: true,
  },
  {
    name: "In flight, bytes",
    show: ({ chains }) => bytes(chains.reduce((sum, one) => sum + one.inFlightBytes, 0)),
    number: true,
  },
  {
    name: "Given back",
    show: ({ naks }) =>
      naks.length === 0
        ? "–"
        : naks.map(({ seq, attempts, reason }) => `${seq} after ${attempts} tries: ${reason}`).join(" · "),
  },
];

function Live({ live }: { readonly live: SessionView | undefined }) {
  if (live === undefined)
    return (
      <p class="panel notice">
        No running node that answers here holds this session: what follows is what its journal tells.
      </p>
    );
  const { subject, status, connection, attachedSince, node, credit, openTransactions, subscriptions, publishedUpTo } =
    live;
  return (
    <Panel title="Now">
      <Facts
        facts={[
          ["Subject", subject || "anonymous"],
          ["State", status],
          ["Node", node],
          ["Connection", connection === undefined ? "none" : `${connection}, since ${ago(attachedSince ?? 0)}`],
          ["Published up to", count(publishedUpTo)],
          [
            "May still publish",
            credit === undefined ? "–" : `${count(credit.records)} records, ${bytes(credit.bytes)}`,
          ],
          [
            "Open transactions",
            openTransactions.length === 0
              ? "none"
              : openTransactions.map(({ tx, records }) => `${tx} with ${counted(records, "record")}`).join(", "),
          ],
        ]}
      />
      <Table
        caption="Subscriptions"
        columns={subscriptionColumns}
        rows={subscriptions}
        keyOf={({ filter }) => filter}
      />
    </Panel>
  );
}

function Causes({ base, last }: { readonly base: string; readonly last: number }) {
  const why = useGet<{ readonly items: readonly Finding[] }>(`${base}/why`, { with: last });
  return (
    <Panel title="Why">
      <Shown of={why}>
        {({ items }) =>
          items.length === 0 ? (
            <p class="dim">Nothing of it ended, was refused, given up or lost</p>
          ) : (
            <ol>
              {items.map(({ time, cause, sentence, advice, setting }) => (
                <li key={`${time} ${cause} ${sentence}`}>
                  <time dateTime={new Date(time).toISOString()}>{instant(time)}</time>{" "}
                  <span class="tag warn">{cause}</span>
                  <br />
                  {sentence}. {advice}.
                  {setting !== undefined && (
                    <>
                      {" "}
                      Setting: <a href={addressOf("configuration", "", { find: setting })}>{setting}</a>
                    </>
                  )}
                </li>
              ))}
            </ol>
          )
        }
      </Shown>
    </Panel>
  );
}

// --- any moment ---

type TravelProps = { readonly id: string; readonly base: string; readonly seq: number; readonly last: number };

function TimeTravel({ id, base, seq, last }: TravelProps) {
  const go = (to: number): void => {
    const query = to >= last ? {} : { seq: String(to) };
    history.replaceState(null, "", addressOf("sessions", id, query));
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  const shown = useSettled(seq);
  const at = useGet<Inspection>(shown === 0 ? undefined : `${base}/state?seq=${shown}`);
  const charts = useGet<readonly Chart[]>("/dashboard/statecharts.json");
  const chart = charts.data?.find(({ name }) => name === at.data?.statechart.name);
  if (last === 0) return null;
  return (
    <>
      <Panel title="At any moment">
        <label>
          Event {seq} of {last}
          {at.data !== undefined && <span class="dim">, {instant(at.data.time)}</span>}
          <input
            type="range"
            min={1}
            max={last}
            value={seq}
            onInput={(event) => go(event.currentTarget.valueAsNumber)}
          />
        </label>
        <div class="row">
          <button type="button" disabled={seq <= 1} onClick={() => go(seq - 1)}>
            Earlier
          </button>
          <button type="button" disabled={seq >= last} onClick={() => go(seq + 1)}>
            Later
          </button>
          <button type="button" disabled={seq >= last} onClick={() => go(last)}>
            Now
          </button>
        </div>
        {chart !== undefined && at.data !== undefined && (
          <Statechart chart={chart} current={at.data.statechart.state} />
        )}
      </Panel>
      <div class="grid">
        <Timeline base={base} seq={seq} last={last} go={go} />
        <Panel title={`State after event ${shown}`}>
          <Shown of={at}>{({ state }) => <Json value={state} />}</Shown>
        </Panel>
      </div>
    </>
  );
}

const settleMs = 120;

/** The value once it has rested: a moving slider asks nothing. */
function useSettled(value: number): number {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), settleMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

type TimelineProps = {
  readonly base: string;
  readonly seq: number;
  readonly last: number;
  readonly go: (seq: number) => void;
};

/** The events around the chosen one, a page of them. */
function Timeline({ base, seq, last, go }: TimelineProps) {
  const after = Math.floor(Math.max(0, seq - 1) / eventsMax) * eventsMax;
  const page = useGet<{ readonly items: readonly TimelineEntry[] }>(
    `${base}/timeline?after=${after}&max=${eventsMax}`,
    { with: last },
  );
  return (
    <Panel title="Events">
      <Shown of={page}>
        {({ items }) => (
          <ol class="timeline">
            {items.map((entry) => (
              <li key={entry.seq}>
                <button type="button" aria-current={entry.seq === seq} onClick={() => go(entry.seq)}>
                  <span class="dim mono">{entry.seq}</span>
                  <span>
                    <strong>{entry.type}</strong> <span class="dim">{clock(entry.time)}</span>
                    <br />
                    {entry.summary}
                  </span>
                </button>
              </li>
            ))}
          </ol>
        )}
      </Shown>
    </Panel>
  );
}
