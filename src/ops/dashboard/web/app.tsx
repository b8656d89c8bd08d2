/**
 * The dashboard: who reads it, where they are, and the view of that place.
 * @module
 */
import { type ComponentChild, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import { get, Problem, storedKey, storeKey } from "./api.ts";
import "./app.css";
import { addressOf, may, type Place, type Reader, ReaderContext, type Role, usePlace } from "./hooks.ts";
import { Audit } from "./views/audit.tsx";
import { Configuration } from "./views/configuration.tsx";
import { Log } from "./views/log.tsx";
import { Nodes } from "./views/nodes.tsx";
import { Overview } from "./views/overview.tsx";
import { Session } from "./views/session.tsx";
import { Sessions } from "./views/sessions.tsx";
import { Topics } from "./views/topics.tsx";

type View = { readonly title: string; readonly role?: Role; readonly show: (place: Place) => ComponentChild };

const views: Readonly<Record<string, View>> = {
  overview: { title: "Overview", show: () => <Overview /> },
  sessions: {
    title: "Sessions",
    show: ({ id, query }) => (id === "" ? <Sessions query={query} /> : <Session id={id} query={query} />),
  },
  topics: { title: "Topics", show: () => <Topics /> },
  log: { title: "Log", show: ({ query }) => <Log query={query} /> },
  nodes: { title: "Nodes", show: () => <Nodes /> },
  configuration: { title: "Configuration", role: "operator", show: () => <Configuration /> },
  audit: { title: "Audit", role: "operator", show: () => <Audit /> },
};

function App() {
  const [reader, setReader] = useState<Reader | Problem>();
  const enter = (key: string): void => {
    storeKey(key);
    if (key === "") return setReader(new Problem(401, "No key was given"));
    get<{ readonly name: string; readonly role?: Role }>("/api/v1/me").then(
      ({ name, role }) =>
        setReader(role === undefined ? new Problem(403, `${name} has no role; a viewer's is needed`) : { name, role }),
      (error: unknown) => setReader(error instanceof Problem ? error : new Problem(0, String(error))),
    );
  };
  useEffect(() => enter(storedKey()), []);
  if (reader === undefined) return <p class="dim">Loading …</p>;
  if (reader instanceof Problem) return <SignIn problem={reader} enter={enter} />;
  return (
    <ReaderContext.Provider value={reader}>
      <Frame reader={reader} leave={() => enter("")} />
    </ReaderContext.Provider>
  );
}

function SignIn({ problem, enter }: { readonly problem: Problem; readonly enter: (key: string) => void }) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const field = new FormData(event.target as HTMLFormElement).get("key");
    enter(typeof field === "string" ? field.trim() : "");
  };
  const tried = storedKey() !== "" || (problem.status !== 401 && problem.status !== 403);
  return (
    <main>
      <form class="panel" onSubmit={submit}>
        <h1>Weir</h1>
        <p>
          Reading this dashboard takes a key of a viewer, an operator or an admin. The gateway says where it is when it
          starts.
        </p>
        {tried && (
          <p class="bad" role="alert">
            {problem.message}
          </p>
        )}
        <div class="row">
          <label>
            Key
            <input name="key" type="password" autocomplete="off" required />
          </label>
          <button class="primary" type="submit">
            Enter
          </button>
        </div>
      </form>
    </main>
  );
}

const nothingHere: View = {
  title: "Nothing here",
  show: ({ view }) => (
    <p role="alert">
      There is no view <code>{view}</code>, or your role does not show it. See the{" "}
      <a href={addressOf("overview")}>overview</a>.
    </p>
  ),
};

function Frame({ reader, leave }: { readonly reader: Reader; readonly leave: () => void }) {
  const place = usePlace();
  const open = Object.entries(views).filter(([, { role = "viewer" }]) => may(reader, role));
  const asked = place.view === "" ? "overview" : place.view;
  const [name, view] = open.find(([key]) => key === asked) ?? [asked, nothingHere];
  useEffect(() => {
    document.title = `${view.title} · Weir`;
  }, [view]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        To the content
      </button>
      <header class="bar">
        <strong>Weir</strong>
        <nav aria-label="Views">
          {open.map(([key, { title }]) => (
            <a key={key} href={addressOf(key)} aria-current={key === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class="who">
          {reader.name} ({reader.role})
          {storedKey() !== "" && (
            <button type="button" onClick={leave}>
              Leave
            </button>
          )}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {view.show({ ...place, view: name })}
      </main>
    </>
  );
}

render(<App />, document.getElementById("app") as HTMLElement);
