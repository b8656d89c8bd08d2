/**
 * Shows an answer token by token. A reload in the middle goes on with the very next token: nothing is asked for
 * twice, nothing shown twice.
 *
 * The session lives in IndexedDB. Text and position are saved in one step, so that no reload comes between them.
 * @module
 */
import { type Client, connect, indexedDbStore, type ProcessedPosition, type Subscription } from "weir/client";
import type { Token } from "./server.ts";

/** Set when the page is bundled. */
declare const gatewayUrl: string;

type Saved = {
  readonly id: string;
  readonly text: string;
  readonly state: "streaming" | "complete";
  readonly position?: ProcessedPosition;
};

const element = <T extends HTMLElement>(selector: string): T => {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`The page has no ${selector}`);
  return found;
};
const form = element<HTMLFormElement>("form");
const output = element("#answer");
const status = element("#status");

/** sessionStorage outlives a reload and is not shared with other tabs. */
function tabName(): string {
  const name = sessionStorage.getItem("tab") ?? crypto.randomUUID();
  sessionStorage.setItem("tab", name);
  return name;
}
function load(): Saved | undefined {
  const json = sessionStorage.getItem("answer");
  return json === null ? undefined : (JSON.parse(json) as Saved);
}
function save(saved: Saved): void {
  sessionStorage.setItem("answer", JSON.stringify(saved));
  output.textContent = saved.text;
  output.dataset["state"] = saved.state;
}
function fail(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error);
}

function follow(client: Client, from: Saved): Subscription {
  let saved = from;
  save(saved);
  const processed = saved.position === undefined ? [] : [saved.position];
  return client.subscribe(`answers.${saved.id}`, { qos: 2, start: "all", processed }, (record) => {
    const token = record.json<Token>();
    const { position } = record;
    if ("end" in token) saved = { ...saved, state: "complete", position };
    else saved = { ...saved, text: saved.text + token.text, position };
    save(saved);
  });
}

function main(): void {
  const client = connect(gatewayUrl, { store: indexedDbStore({ name: `ai-tokens-${tabName()}` }) });
  client.on("status", (now) => {
    status.textContent = now;
  });
  client.on("error", fail);
  const before = load();
  let subscription = before === undefined ? undefined : follow(client, before);
  const ask = async (): Promise<void> => {
    const response = await fetch("/ask", { method: "POST", body: String(new FormData(form).get("prompt")) });
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    await subscription?.unsubscribe({ forget: true });
    subscription = follow(client, { id: await response.text(), text: "", state: "streaming" });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask().catch(fail);
  });
}

main();
