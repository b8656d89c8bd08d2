/**
 * The configuration of a running gateway, as REST, the dashboard and the gateway itself see it.
 * @module
 */
import type { Config } from "./profile.ts";

/** What is known of a setting, whatever its value. */
export type SettingDescription = {
  /** Dotted: `websocket.limits.heartbeatMs`. */
  readonly name: string;
  /** First part of its name; "" of `profile`. */
  readonly section: string;
  readonly text: string;
  readonly kind: "text" | "number" | "boolean" | "list";
  /** ms, bytes, records …; absent: it has none. */
  readonly unit?: string;
  /** Absent: there is none, or the profile decides it. */
  readonly default?: unknown;
  /** What it may hold, for people: `a whole number of milliseconds from 1 to 31622400000`. */
  readonly range: string;
  /** Takes effect without a restart. */
  readonly live: boolean;
  /** Its value is never shown. */
  readonly secret: boolean;
};

/** A setting as it is in force. */
export type ShownSetting = {
  readonly name: string;
  /** Masked when it is secret. Absent: it has none. */
  readonly value?: unknown;
  /** `default`, `profile production`, `weir.yaml: websocket.port`, `environment WEIR_PORT`, `flag --port`, `changed by alice`. */
  readonly origin: string;
  /** The sources say another value, which waits for a restart. */
  readonly waiting?: unknown;
};

export type SettingChange = { readonly setting: string; readonly before?: unknown; readonly after?: unknown };
export type Refused = { readonly setting: string; readonly message: string };
export type Changed =
  | { readonly ok: true; readonly changes: readonly SettingChange[] }
  /** Nothing was changed. */
  | { readonly ok: false; readonly refused: readonly Refused[] };

export type Objection = (next: Config) => Promise<Refused | undefined>;

export type LiveConfig = {
  current(): Config;
  /** Where the value of a setting comes from; undefined: there is no such setting. */
  origin(setting: string): string | undefined;
  describe(): readonly SettingDescription[];
  /** Every setting as it is in force. */
  show(): readonly ShownSetting[];
  /**
   * All of `patch` (values by dotted name; null: what was changed before no longer holds) or nothing. Kept in the log,
   * so that it survives a restart and every gateway on the log takes it over. `objection`: why what would be in force
   * is not to be, to whoever asks for it; undefined: nothing is against it.
   */
  change(patch: Readonly<Record<string, unknown>>, who: string, objection?: Objection): Promise<Changed>;
  /** Called after each change with what is in force now; answers how to stop that. */
  onChange(listener: (config: Config, changes: readonly SettingChange[]) => void): () => void;
};
