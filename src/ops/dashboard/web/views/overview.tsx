/**
 * Overview: how the node does now, every second, and how it did in the last 24 hours.
 * @module
 */
import { useState } from "preact/hooks";
import type { Alert } from "../../../rest/alerts.ts";
import type { MetricDescription } from "../../../telemetry/metrics-history.ts";
import { Chart } from "../chart.tsx";
import { ago, figure } from "../format.ts";
import { addressOf, type Loaded, useGet, useStream } from "../hooks.ts";
import { Panel, Shown } from "../parts.tsx";
import { type Reach, reaches, type Summary, useSeries } from "../series.ts";

type Picture = { readonly title: string; readonly metrics: readonly string[] };

const pictures: readonly Picture[] = [
  { title: "Records a second", metrics: ["records.published", "records.delivered"] },
  { title: "Latency of a message", metrics: ["latency.message.p50", "latency.message.p95", "latency.message.p99"] },
  { title: "Latency of the log", metrics: ["latency.append.p50", "latency.append.p95", "latency.append.p99"] },
  { title: "Connections and sessions", metrics: ["connections", "sessions.attached", "sessions"] },
  { title: "Traffic", metrics: ["bytes.in", "bytes.out"] },
  { title: "CPU", metrics: ["cpu"] },
  { title: "Memory", metrics: ["memory.resident", "memory.heap"] },
  { title: "Event loop, how late it is", metrics: ["eventLoop.delay.p50", "eventLoop.delay.p99"] },
  { title: "Pauses for garbage collection", metrics: ["gc.pause.p50", "gc.pause.p99"] },
  { title: "Subscriptions behind", metrics: ["subscriptions.behind"] },
  { title: "The log's size", metrics: ["log.bytes"] },
];

const tiles: readonly (readonly [metric: string, label: string])[] = [
  ["connections", "Connections"],
  ["sessions.attached", "Sessions attached"],
  ["records.published", "Published"],
  ["records.delivered", "Delivered"],
  ["latency.message.p50", "Message latency, p50"],
  ["latency.message.p99", "Message latency, p99"],
  ["cpu", "CPU"],
  ["memory.resident", "Memory"],
];

export function Overview() {
  const [reach, setReach] = useState<Reach>(reaches[0]);
  const summary = useStream<Summary>("/api/v1/network/dashboard/summary");
  const metrics = useGet<{ readonly items: readonly MetricDescription[] }>("/api/v1/metrics");
  const known = new Map((metrics.data?.items ?? []).map((metric) => [metric.name, metric]));
  return (
    <>
      <h1>Overview</h1>
      <Shown of={summary}>{(data) => <Now summary={data} known={known} />}</Shown>
      <fieldset class="row">
        <legend class="dim">Charts show the last</legend>
        {reaches.map((one) => (
          <button
            key={one.name}
            type="button"
            class={one === reach ? "primary" : ""}
            aria-pressed={one === reach}
            onClick={() => setReach(one)}
          >
            {one.name}
          </button>
        ))}
      </fieldset>
      <div class="grid">
        {pictures
          .map(({ title, metrics: names }) => ({ title, shown: names.flatMap((name) => known.get(name) ?? []) }))
          .filter(({ shown }) => shown.length > 0)
          .map(({ title, shown }) => (
            <History key={title} title={title} metrics={shown} reach={reach} summary={summary} />
          ))}
      </div>
    </>
  );
}

type NowProps = { readonly summary: Summary; readonly known: ReadonlyMap<string, MetricDescription> };

function Now({ summary, known }: NowProps) {
  const { node, savings, alerts, metrics } = summary;
  const shown = tiles.flatMap(([name, label]) => {
    const metric = known.get(name);
    const value = metrics[name];
    return metric === undefined
      ? []
      : [{ ...metric, label, value: value === undefined ? "–" : figure(value, metric.unit) }];
  });
  return (
    <>
      <Alerts alerts={alerts} />
      <dl class="tiles">
        {shown.map(({ name, label, text, value }) => (
          <div class="panel tile" key={name} data-metric={name} title={text}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div class="panel tile" key="saved">
          <dt title="Sent to a receiver, and encoded for another one already">Encoding saved</dt>
          <dd>{figure(savings.sharedEncoding.bytesNotEncoded ?? 0, "bytes")}</dd>
        </div>
        <div class="panel tile" key="up">
          <dt>
            Node <a href={addressOf("nodes")}>{node.id}</a>, {node.state}
          </dt>
          <dd>{ago(node.startedAt).replace(" ago", "")}</dd>
        </div>
      </dl>
    </>
  );
}

function Alerts({ alerts }: { readonly alerts: readonly Alert[] }) {
  if (alerts.length === 0) return null;
  return (
    <Panel title="Alerts">
      <ul>
        {alerts.map(({ name, priority, title, unit, value, threshold, advice, since, setting }) => (
          <li key={name}>
            <span class="tag bad">{priority}</span> <strong>{title}</strong>, since {ago(since)}: {value} ({unit}),
            threshold {threshold}. {advice}.
            {setting !== undefined && (
              <>
                {" "}
                Setting: <a href={addressOf("configuration", "", { find: setting })}>{setting}</a>
              </>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

type HistoryProps = {
  readonly title: string;
  readonly metrics: readonly MetricDescription[];
  readonly reach: Reach;
  readonly summary: Loaded<Summary>;
};

function History({ title, metrics, reach, summary }: HistoryProps) {
  const { times, lines } = useSeries(metrics, reach, summary.data);
  return <Chart title={title} unit={metrics[0]?.unit ?? ""} times={times} lines={lines} />;
}
