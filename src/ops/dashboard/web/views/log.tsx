/**
 * Explores the log: records of a filter from a seq or a moment on, their payloads decoded, who has them; or its tail, live.
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { Ledger, LedgerRow } from "../../../replay/ledger.ts";
import { counted } from "../../../replay/text.ts";
import { bytes, instant } from "../format.ts";
import { addressOf, useGet, useStream } from "../hooks.ts";
import { type Column, Facts, Json, type Page, Panel, ProblemNote, Shown, Table } from "../parts.tsx";

/** As REST shows a record. */
export type ShownRecord = {
  readonly seq: number;
  readonly time: number;
  readonly topic: string;
  readonly id: string;
  readonly lane: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly encoding: "json" | "text" | "base64";
  readonly payload: unknown;
  readonly bytes: number;
};

const pageMax = 100;

export function Log({ query }: { readonly query: URLSearchParams }) {
  const filter = query.get("filter") ?? ">";
  const from = query.get("from") ?? "";
  const tail = query.get("tail") === "yes";
  const [open, setOpen] = useState<ShownRecord>();
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const text = (name: string): string => String(form.get(name) ?? "").trim();
    setOpen(undefined);
    location.hash = addressOf("log", "", { filter: text("filter") || ">", from: text("from"), tail: text("tail") });
  };
  return (
    <>
      <h1>Log</h1>
      <form class="row" onSubmit={submit} key={query.toString()}>
        <label>
          Filter
          <input name="filter" class="mono" defaultValue={filter} />
        </label>
        <label>
          From (seq, or a time as 2026-01-31T12:00:00Z)
          <input name="from" defaultValue={from} />
        </label>
        <label>
          <span>Tail</span>
          <input type="checkbox" name="tail" value="yes" defaultChecked={tail} />
        </label>
        <button class="primary" type="submit">
          Show
        </button>
      </form>
      {tail ? (
        <Tail filter={filter} open={open} choose={setOpen} />
      ) : (
        <Pages filter={filter} from={from} open={open} choose={setOpen} />
      )}
      {open !== undefined && <Opened record={open} />}
    </>
  );
}

type ListProps = {
  readonly filter: string;
  readonly open: ShownRecord | undefined;
  readonly choose: (record: ShownRecord) => void;
};

function columnsOf(choose: (record: ShownRecord) => void): readonly Column<ShownRecord>[] {
  return [
    {
      name: "Seq",
      number: true,
      show: (record) => (
        <button type="button" onClick={() => choose(record)}>
          {record.seq}
        </button>
      ),
    },
    { name: "Time", show: ({ time }) => instant(time) },
    { name: "Topic", show: ({ topic }) => <code>{topic}</code>, cut: true },
    { name: "Lane", show: ({ lane }) => lane },
    { name: "Payload", cut: true, show: (record) => <code>{preview(record)}</code> },
  ];
}

const previewChars = 120;

function preview({ encoding, payload }: ShownRecord): string {
  const text = encoding === "json" ? JSON.stringify(payload) : String(payload);
  return `${encoding === "base64" ? "base64:" : ""}${text.slice(0, previewChars)}`;
}

const pathOf = (filter: string): string => `/api/v1/topics/${encodeURIComponent(filter)}/records`;

function Pages({ filter, from, open, choose }: ListProps & { readonly from: string }) {
  const isSeq = /^\d+$/.test(from);
  const address = (cursor: string): string => {
    const asked = new URLSearchParams({ max: String(pageMax) });
    if (cursor !== "") asked.set("cursor", cursor);
    else if (isSeq) asked.set("cursor", String(Math.max(0, Number(from) - 1)));
    else if (from !== "") asked.set("from", from);
    return `${pathOf(filter)}?${asked}`;
  };
  const [cursor, setCursor] = useState("");
  useEffect(() => setCursor(""), [filter, from]);
  const page = useGet<Page<ShownRecord>>(address(cursor));
  return (
    <Shown of={page}>
      {({ items, next }) => (
        <>
          <Table
            caption={counted(items.length, "record")}
            columns={columnsOf(choose)}
            rows={items}
            keyOf={({ seq }) => String(seq)}
            selected={String(open?.seq)}
          />
          <div class="row">
            <button type="button" disabled={cursor === ""} onClick={() => setCursor("")}>
              To the beginning
            </button>
            <button type="button" disabled={next === undefined} onClick={() => setCursor(next ?? "")}>
              Later records
            </button>
          </div>
        </>
      )}
    </Shown>
  );
}

function Tail({ filter, open, choose }: ListProps) {
  const [records, setRecords] = useState<readonly ShownRecord[]>([]);
  const follow = useStream<ShownRecord | { readonly first: number }>(pathOf(filter), (data) => {
    if ("topic" in data) setRecords((before) => [data, ...before].slice(0, pageMax));
  });
  return (
    <>
      {follow.problem !== undefined && <ProblemNote message={follow.problem.message} />}
      <Table
        caption="The newest first, as they come"
        columns={columnsOf(choose)}
        rows={records}
        keyOf={({ seq }) => String(seq)}
        selected={String(open?.seq)}
      />
    </>
  );
}

// --- one record ---

const fates: Readonly<Record<LedgerRow["fate"], string>> = {
  processed: "good",
  sent: "",
  owed: "warn",
  waits: "warn",
  deadLettered: "bad",
  lost: "bad",
  skipped: "dim",
};

const ledgerColumns: readonly Column<LedgerRow>[] = [
  { name: "Session", show: ({ session }) => <a href={addressOf("sessions", session)}>{session}</a>, cut: true },
  { name: "Subject", show: ({ subject }) => subject || "anonymous", cut: true },
  { name: "Filter", show: ({ filter }) => <code>{filter}</code> },
  { name: "Fate", show: ({ fate }) => <span class={fates[fate]}>{fate}</span> },
  { name: "Since", show: ({ since }) => (since === undefined ? "–" : instant(since)) },
  { name: "Tries", show: ({ tries }) => (tries === undefined ? "–" : String(tries)), number: true },
  {
    name: "Because",
    show: ({ cause, reasons }) => [cause, ...reasons].filter((one) => one !== undefined).join(", ") || "–",
  },
];

function Opened({ record }: { readonly record: ShownRecord }) {
  const { topic, seq, time, id, lane, headers, encoding, payload } = record;
  const ledger = useGet<Ledger>(`/api/v1/topics/${encodeURIComponent(topic)}/records/${seq}/ledger`);
  return (
    <div class="grid">
      <Panel title={`Record ${seq}`}>
        <Facts
          facts={[
            ["Topic", <code key="topic">{topic}</code>],
            ["Time", instant(time)],
            ["Id", <code key="id">{id}</code>],
            ["Lane", lane],
            ["Payload", `${bytes(record.bytes)}, ${encoding}`],
            ...Object.entries(headers ?? {}).map(([name, value]) => [name, value] as const),
          ]}
        />
        <h2>Payload</h2>
        {encoding === "json" ? <Json value={payload} /> : <pre>{String(payload)}</pre>}
      </Panel>
      <Panel title="Who has it">
        <Shown of={ledger}>
          {({ rows, more, record: held }) => (
            <>
              {held === undefined && (
                <ProblemNote message="Retention took the record; the journals still tell who had it" />
              )}
              <Table
                caption={more ? "The first of them" : "Every session that should have it"}
                columns={ledgerColumns}
                rows={rows}
                keyOf={(row) => `${row.session} ${row.filter}`}
              />
            </>
          )}
        </Shown>
        <button type="button" onClick={ledger.reload}>
          Look again
        </button>
      </Panel>
    </div>
  );
}
