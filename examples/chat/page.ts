/**
 * A chat room: history on load, live from there, and after a reload everything that was missed, once.
 *
 * Each tab is a session of its own in IndexedDB. What was typed while the gateway was away is kept there too, also
 * over a reload, and is published once.
 * @module
 */
import { connect, type HistoryRecord, indexedDbStore } from "weir/client";

/** Set when the page is bundled. */
declare const gatewayUrl: string;

type Said = { readonly from: string; readonly text: string };

const element = <T extends HTMLElement>(selector: string): T => {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`The page has no ${selector}`);
  return found;
};

const room = new URLSearchParams(location.search).get("room") ?? "lobby";
const topic = `chat.${room}`;
const list = element<HTMLOListElement>("#said");
const status = element("#status");
const form = element<HTMLFormElement>("form");

/** The name of this tab: sessionStorage outlives a reload and is not shared with other tabs. */
function tabName(): string {
  const name = sessionStorage.getItem("tab") ?? crypto.randomUUID();
  sessionStorage.setItem("tab", name);
  return name;
}

/** Puts a line at its place in the log; one that is there already stays. */
function place(seq: number, text: string, kind = "said"): void {
  const id = `${kind}-${seq}`;
  if (document.getElementById(id) !== null) return;
  const line = document.createElement("li");
  line.id = id;
  line.className = kind;
  line.dataset["seq"] = String(seq);
  line.textContent = text;
  const after = [...list.children].find((each) => Number((each as HTMLElement).dataset["seq"]) > seq);
  list.insertBefore(line, after ?? null);
  line.scrollIntoView();
}

function show(record: HistoryRecord): void {
  const { from, text } = record.json<Said>();
  place(record.seq, `${from}: ${text}`);
}

function fail(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error);
}

async function join(): Promise<void> {
  element("#room").textContent = room;
  const client = connect(gatewayUrl, { store: indexedDbStore({ name: `chat-${room}-${tabName()}` }) });
  client.on("status", (now) => {
    status.textContent = now;
  });
  client.on("error", fail);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { from, text } = Object.fromEntries(new FormData(form)) as Said;
    client.publish(topic, { from, text } satisfies Said).catch(fail);
    element<HTMLInputElement>("[name=text]").value = "";
  });

  /** Records up to this one were in the log when the page was loaded. */
  let head = Number.POSITIVE_INFINITY;
  const subscription = client.subscribe(topic, { qos: 2, start: "new" }, (record) => {
    const mine = record.id.startsWith(`${client.session?.session}/`);
    // Half a place before the first record that this tab had not seen.
    if (record.seq <= head && !mine && list.querySelector(".new") === null)
      place(record.seq - 0.5, "New since you were here", "new");
    show(record);
  });
  await subscription.ready;
  // Read after SUBSCRIBED: history and live meet without a gap, and `place` shows what is in both once.
  const { records, lastSeq } = await client.history(topic, { backward: true, limit: 100 });
  head = lastSeq;
  for (const record of records) show(record);
}

join().catch(fail);
