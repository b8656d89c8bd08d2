/**
 * Shows a run with nothing but the browser's own WebSocket. What was seen, and the position of the last message, are
 * kept over a reload; `?from=` goes on behind it, so no line is missing and none comes twice.
 * @module
 */

/** Set when the page is bundled. */
declare const gatewayUrl: string;

type Message = { readonly type: string; readonly data: never; readonly timestamp: string; readonly position: string };
type Line = { readonly step: number; readonly stream: string; readonly line: string };
type Kept = { position: string; status: string; progress: { step: number; of: number }; lines: Line[] };

const element = <T extends HTMLElement>(selector: string): T => {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`The page has no ${selector}`);
  return found;
};

const id = new URLSearchParams(location.search).get("id") ?? "42";
const storeName = `run-${id}`;
const retryMs = 500;
const kept: Kept = JSON.parse(
  sessionStorage.getItem(storeName) ?? '{"position":"all","status":"waiting","progress":{"step":0,"of":1},"lines":[]}',
) as Kept;

function addLine({ stream, line }: Line): void {
  const item = document.createElement("li");
  item.className = stream;
  item.textContent = line;
  element("#log").append(item);
}

function showHead(): void {
  element("#status").textContent = kept.status;
  const bar = element<HTMLProgressElement>("#progress");
  bar.max = kept.progress.of;
  bar.value = kept.progress.step;
}

function take({ type, data, position }: Message): void {
  if (type === "closing" && (data as { cause: string }).cause === "epochChanged") {
    // The log was made anew: what is kept here is of one that is gone.
    sessionStorage.removeItem(storeName);
    return location.reload();
  }
  if (type === "log_entry") {
    kept.lines.push(data);
    addLine(data);
  }
  if (type === "execution_status") kept.status = (data as { status: string }).status;
  if (type === "step_progress") kept.progress = data;
  showHead();
  // Together with what was shown, in one write.
  kept.position = position;
  sessionStorage.setItem(storeName, JSON.stringify(kept));
}

function follow(): void {
  const socket = new WebSocket(
    `${gatewayUrl.replace(/\/$/, "")}/ws/execution/${id}?from=${encodeURIComponent(kept.position)}`,
  );
  socket.onopen = () => {
    element("#connection").textContent = "connected";
  };
  socket.onmessage = ({ data }) => take(JSON.parse(data as string) as Message);
  socket.onclose = () => {
    element("#connection").textContent = "connecting again";
    setTimeout(follow, retryMs);
  };
}

element("#id").textContent = id;
for (const line of kept.lines) addLine(line);
showHead();
follow();
