/**
 * Every setting with its value, where that comes from, its unit and range; and, for an admin, a change of those that may
 * change while the gateway runs. Secrets are masked by the gateway already.
 * @module
 */
import { useState } from "preact/hooks";
import type { SettingDescription, ShownSetting } from "../../../config/live-config.ts";
import { counted } from "../../../replay/text.ts";
import { Problem, send } from "../api.ts";
import { text } from "../format.ts";
import { useGet, useMay, usePlace } from "../hooks.ts";
import { type Column, Panel, ProblemNote, Shown, Table } from "../parts.tsx";

type Setting = SettingDescription & ShownSetting;

export function Configuration() {
  const wanted = usePlace().query.get("find") ?? "";
  const [find, setFind] = useState(wanted);
  const [open, setOpen] = useState<Setting>();
  const may = useMay("admin");
  const config = useGet<{ readonly settings: readonly Setting[] }>("/admin/config", { everyMs: 5_000 });
  const columns: readonly Column<Setting>[] = [
    { name: "Setting", show: ({ name }) => <code>{name}</code> },
    {
      name: "Value",
      show: ({ value, unit }) => `${text(value)}${unit === undefined || value === undefined ? "" : ` ${unit}`}`,
      cut: true,
    },
    { name: "From", show: ({ origin }) => origin },
    { name: "What it does", show: (setting) => setting.text },
    {
      name: "Change",
      show: (setting) =>
        !setting.live ? (
          <span class="dim">
            needs a restart{setting.waiting === undefined ? "" : `, ${text(setting.waiting)} waits for it`}
          </span>
        ) : may ? (
          <button type="button" onClick={() => setOpen(setting)}>
            Change
          </button>
        ) : (
          <span class="dim">an admin may</span>
        ),
    },
  ];
  const matches = ({ name, text: about }: Setting): boolean =>
    `${name} ${about}`.toLowerCase().includes(find.toLowerCase());
  return (
    <>
      <h1>Configuration</h1>
      <div class="row">
        <label>
          Search
          <input type="search" value={find} onInput={(event) => setFind(event.currentTarget.value)} />
        </label>
      </div>
      {open !== undefined && (
        <Editor
          key={open.name}
          setting={open}
          close={() => {
            setOpen(undefined);
            config.reload();
          }}
        />
      )}
      <Shown of={config}>
        {({ settings }) => (
          <Table
            caption={counted(settings.length, "setting")}
            columns={columns}
            rows={settings.filter(matches)}
            keyOf={({ name }) => name}
          />
        )}
      </Shown>
    </>
  );
}

/** As it was typed, in the kind that the setting holds. */
function parsed(kind: Setting["kind"], typed: string): unknown {
  if (kind === "number") return Number(typed);
  if (kind === "boolean") return typed === "true";
  if (kind === "list")
    return typed
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");
  return typed;
}

function Editor({ setting, close }: { readonly setting: Setting; readonly close: () => void }) {
  const { name, kind, value, range, unit, text: about } = setting;
  const [typed, setTyped] = useState(
    Array.isArray(value) ? value.join(", ") : value === undefined ? "" : String(value),
  );
  const [refusal, setRefusal] = useState("");
  const change = async (to: unknown): Promise<void> => {
    try {
      await send("PATCH", "/admin/config", { settings: { [name]: to } });
      close();
    } catch (error) {
      setRefusal(error instanceof Problem ? error.message : String(error));
    }
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const to = parsed(kind, typed);
    if (confirm(`Change ${name} from ${text(value)} to ${text(to)} on every gateway of this log?`)) void change(to);
  };
  return (
    <Panel title={`Change ${name}`}>
      <form onSubmit={submit}>
        <p>
          {about} It holds {range}
          {unit === undefined ? "" : ` (${unit})`}.
        </p>
        {refusal !== "" && <ProblemNote message={refusal} />}
        <div class="row">
          <label>
            Value
            <input value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
          <button class="primary" type="submit">
            Change
          </button>
          <button type="button" onClick={() => void change(null)}>
            As the files say
          </button>
          <button type="button" onClick={close}>
            Leave it
          </button>
        </div>
      </form>
    </Panel>
  );
}
