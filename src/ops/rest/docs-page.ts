/**
 * The OpenAPI document as one page for people: no script, nothing from elsewhere, readable on a phone and in the dark.
 * @module
 */
import { html, raw } from "hono/html";

type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: unknown;
};
type Media = Readonly<Record<string, { readonly schema?: unknown }>>;
type Operation = {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content?: Media };
  readonly responses?: Readonly<Record<string, { readonly description?: string; readonly content?: Media }>>;
};
type Document = {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
};
type Fragment = ReturnType<typeof html>;
type Row = { readonly method: string; readonly path: string; readonly operation: Operation };

const css = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#05c, #8bf); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
a { color: var(--link); } nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; } pre { overflow: auto; background: var(--soft); padding: .6rem; border-radius: .3rem; }
section { border-top: 1px solid var(--line); } details { margin: .4rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.2rem; } table { border-collapse: collapse; } td { padding: .1rem .8rem .1rem 0; vertical-align: top; }
`;

let page: Promise<string> | undefined;

export async function docsResponse(document: object): Promise<Response> {
  page ??= render(document as Document);
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(css))).toString("base64");
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;
  return new Response(await page, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    },
  });
}

async function render({ info, paths = {}, components }: Document): Promise<string> {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Row => ({ method, path, operation })),
  );
  const tags = [...new Set(rows.flatMap(({ operation }) => operation.tags ?? []))];
  const body = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${info.title} API</title><style>${raw(css)}</style></head>
<body>
<h1>${info.title} API <small>${info.version}</small></h1>
<p>${prose(info.description ?? "")}</p>
<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<nav aria-label="Groups">${tags.map((tag) => html`<a href="#${tag}">${tag}</a>`)}<a href="#schemas">schemas</a></nav>
<main>
${tags.map((tag) => html`<section id="${tag}"><h2>${tag}</h2>${rows.filter(({ operation }) => operation.tags?.includes(tag)).map(operationHtml)}</section>`)}
<section id="schemas"><h2>Schemas</h2>${Object.entries(components?.schemas ?? {}).map(([name, schema]) => html`<details id="schema-${name}"><summary>${name}</summary>${schemaHtml(schema)}</details>`)}</section>
</main>
</body>
</html>
`;
  return String(await body);
}

function operationHtml({ method, path, operation }: Row): Fragment {
  const { summary = "", description, parameters = [], requestBody, responses = {} } = operation;
  return html`<details><summary><b>${method.toUpperCase()}</b> <code>${path}</code> ${summary}</summary>
${description === undefined ? "" : html`<p>${prose(description)}</p>`}
${parameters.length === 0 ? "" : html`<table>${parameters.map((one) => html`<tr><td><code>${one.name}</code></td><td>${one.in}${one.required === true ? ", required" : ""}</td><td>${one.description ?? ""} <code>${JSON.stringify(one.schema ?? {})}</code></td></tr>`)}</table>`}
${requestBody?.content === undefined ? "" : html`<h3>Body</h3>${mediaHtml(requestBody.content)}`}
<h3>Answers</h3>
${Object.entries(responses).map(([status, answer]) => html`<p><b>${status}</b> ${answer.description ?? ""}</p>${status === "200" && answer.content !== undefined ? mediaHtml(answer.content) : ""}`)}
</details>`;
}

function mediaHtml(content: Media): Fragment[] {
  return Object.entries(content).map(([type, { schema }]) => html`<p><code>${type}</code></p>${schemaHtml(schema)}`);
}

/** A reference as a link, anything else as its JSON. */
function schemaHtml(schema: unknown): Fragment {
  const name = /^#\/components\/schemas\/(.+)$/.exec((schema as { $ref?: string } | undefined)?.$ref ?? "")?.[1];
  if (name !== undefined) return html`<p><a href="#schema-${name}">${name}</a></p>`;
  return html`<pre>${JSON.stringify(schema, null, 2)}</pre>`;
}

/** Text with `code` in it. */
function prose(text: string): (Fragment | string)[] {
  return text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
}
