/**
 * The configuration of a gateway that runs: takes over what files, REST and other gateways on its log change, without
 * a restart.
 *
 * Owns: a change is in force whole, or not at all and everybody is told why; a setting that needs a restart keeps its
 * value until then.
 * @module
 */
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { Clock, Logger, Timer } from "../../runtime/ports.ts";
import { changedBy, givenBy, type Kept, type KeptChanges, readChanges, watchChanges, writeChanges } from "./changes.ts";
import { settings } from "./describe.ts";
import type { Changed, LiveConfig, Objection, Refused, SettingChange, ShownSetting } from "./live-config.ts";
import { type ConfigSources, type Loaded, loadConfig, problemLine, type Resolved } from "./load.ts";
import { nearest } from "./nearest.ts";
import { isGiven } from "./origin.ts";
import type { Config } from "./profile.ts";
import { planReload, type Reload, same, shown } from "./reload.ts";
import type { Problem } from "./sources.ts";

export type RunningConfigParts = {
  readonly sources: ConfigSources;
  /** What the process began with, without what was changed at run time. */
  readonly loaded: Extract<Loaded, { ok: true }>;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Makes ready what a configuration needs; throws when it cannot be. Answers how to put it in force. */
export type Prepare = (config: Config) => () => void;

type Good = Extract<Loaded, { ok: true }>;
type Patch = Readonly<Record<string, unknown>>;
type Listener = (config: Config, changes: readonly SettingChange[]) => void;

/** Another gateway changes settings at the same moment only so often. */
const triesMax = 5;
const settingsMax = 256;
const readRetryMs = 5_000;

export class RunningConfig implements LiveConfig {
  readonly #parts: RunningConfigParts;
  readonly #listeners = new Set<Listener>();
  #now: Good;
  #kept: KeptChanges = { kept: {}, revision: 0 };
  #waiting: ReadonlyMap<string, unknown> = new Map();
  #prepare: Prepare = () => () => undefined;
  /** One change after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #stopWatching = (): void => undefined;
  /** What was changed earlier is known. */
  #read = false;
  #retry: Timer | undefined;

  private constructor(parts: RunningConfigParts) {
    this.#parts = parts;
    this.#now = parts.loaded;
  }

  /** With what was changed at run time earlier, unless that does not go with the sources any more: then without all of it. */
  static async open(parts: RunningConfigParts): Promise<RunningConfig> {
    const running = new RunningConfig(parts);
    const { log, logger, sources, loaded } = parts;
    try {
      running.#kept = await readChanges(log.keyValue);
      running.#read = true;
      const changed = loadConfig(sources, givenBy(running.#kept.kept));
      const plan = changed.ok ? planReload(loaded.resolved, changed) : { next: changed };
      if (plan.next.ok) {
        running.#now = plan.next;
        running.#tellOverridden();
      } else logger.log("error", "changed settings ignored", { problems: plan.next.problems.map(problemLine) });
    } catch (error) {
      logger.log("error", "changed settings not read", { error: String(error), retryMs: readRetryMs });
    }
    return running;
  }

  /** From here on changes are made ready and put in force through `prepare`. */
  start(prepare: Prepare): void {
    this.#prepare = prepare;
    const { keyValue } = this.#parts.log;
    const watch = watchChanges(keyValue, (revision) => {
      if (revision !== this.#kept.revision) void this.#inTurn(() => this.#takeOver());
    });
    this.#stopWatching = () => watch.stop();
    if (!this.#read) this.#readLater();
  }

  stop(): void {
    this.#stopWatching();
    this.#retry?.cancel();
  }

  // --- what is in force ---

  current(): Config {
    return this.#now.config;
  }

  origin(setting: string): string | undefined {
    return this.#now.resolved.get(setting)?.origin;
  }

  describe() {
    return [...settings.values()];
  }

  show(): readonly ShownSetting[] {
    return showResolved(this.#now.resolved, this.#waiting);
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- changing ---

  /** Files are read again. Answers what came of it; everything is in the log, too. */
  reload(because: string): Promise<Changed> {
    return this.#inTurn(async () => {
      const loaded = loadConfig(this.#parts.sources, givenBy(this.#kept.kept));
      const plan = loaded.ok ? planReload(this.#now.resolved, loaded) : undefined;
      const changed = plan?.next.ok === true ? this.#adopt(plan) : refusedBy(plan?.next ?? loaded);
      this.#tell(because, changed, plan);
      const isSame = changed.ok && changed.changes.length === 0 && plan?.waiting.size === 0;
      if (isSame) this.#parts.logger.log("info", "configuration unchanged", { because });
      return changed;
    });
  }

  change(patch: Patch, who: string, objection?: Objection): Promise<Changed> {
    return this.#inTurn(() => this.#change(patch, who, objection));
  }

  async #change(patch: Patch, who: string, objection: Objection | undefined): Promise<Changed> {
    const refused = Object.entries(patch).flatMap(([setting, value]) => refusal(setting, value));
    if (refused.length > 0) return { ok: false, refused };
    const { log, sources, clock } = this.#parts;
    try {
      for (let tries = 0; tries < triesMax; tries++) {
        const kept = patched(this.#kept.kept, patch, { who, at: clock.now() });
        if (Object.keys(kept).length > settingsMax) return no("", `More than ${settingsMax} settings are changed`);
        const loaded = loadConfig(sources, givenBy(kept));
        const plan = loaded.ok ? planReload(this.#now.resolved, loaded) : undefined;
        if (plan?.next.ok !== true) return refusedBy(plan?.next ?? loaded);
        const commit = this.#prepare(plan.next.config);
        const objected = await objection?.(plan.next.config);
        if (objected !== undefined) return { ok: false, refused: [objected] };
        const revision = await writeChanges(log.keyValue, { kept, revision: this.#kept.revision });
        if (revision !== undefined) {
          this.#kept = { kept, revision };
          return this.#commit(plan, commit);
        }
        this.#kept = await readChanges(log.keyValue);
      }
      return no("", "Other gateways change settings at the same time, try again");
    } catch (error) {
      return no("", (error as Error).message);
    }
  }

  /** Another gateway on the log changed something. */
  async #takeOver(): Promise<void> {
    const { log, logger, sources } = this.#parts;
    try {
      this.#kept = await readChanges(log.keyValue);
    } catch (error) {
      logger.log("warn", "changed settings not read", { error: String(error), retryMs: readRetryMs });
      return this.#readLater();
    }
    this.#read = true;
    const loaded = loadConfig(sources, givenBy(this.#kept.kept));
    const plan = loaded.ok ? planReload(this.#now.resolved, loaded) : undefined;
    this.#tell("another gateway", plan?.next.ok === true ? this.#adopt(plan) : refusedBy(plan?.next ?? loaded), plan);
  }

  /** Whoever starts a gateway with a setting is told when that one is not in force. */
  #tellOverridden(): void {
    const { loaded, logger } = this.#parts;
    for (const [setting, { who, at }] of Object.entries(this.#kept.kept)) {
      const given = loaded.resolved.get(setting)?.origin ?? "default";
      if (!isGiven(given)) continue;
      const back = `weir config unset ${setting}`;
      logger.log("warn", "setting overridden by a change at run time", { setting, given, changedBy: who, at, back });
    }
  }

  #readLater(): void {
    this.#retry?.cancel();
    this.#retry = this.#parts.clock.after(readRetryMs, () => void this.#inTurn(() => this.#takeOver()));
  }

  #adopt(plan: Reload): Changed {
    if (!plan.next.ok) return refusedBy(plan.next);
    try {
      return this.#commit(plan, this.#prepare(plan.next.config));
    } catch (error) {
      return no("", (error as Error).message);
    }
  }

  #commit({ next, changes, waiting }: Reload, commit: () => void): Changed {
    if (!next.ok) return refusedBy(next);
    commit();
    this.#now = next;
    this.#waiting = waiting;
    if (changes.length > 0) for (const listener of this.#listeners) listener(next.config, changes);
    return { ok: true, changes };
  }

  #tell(because: string, changed: Changed, plan: Reload | undefined): void {
    const { logger } = this.#parts;
    if (!changed.ok) {
      const reasons = changed.refused.map(({ setting, message }) =>
        setting === "" ? message : `${setting}: ${message}`,
      );
      return logger.log("error", "configuration refused", { because, reasons });
    }
    const waiting = [...(plan?.waiting.keys() ?? [])];
    if (waiting.length > 0) logger.log("warn", "settings wait for a restart", { because, settings: waiting });
    if (changed.changes.length > 0) logger.log("info", "configuration changed", { because, changes: changed.changes });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Every setting with value and origin, secrets masked. */
export function showResolved(resolved: Resolved, waiting: ReadonlyMap<string, unknown> = new Map()): ShownSetting[] {
  return Array.from(settings.values(), ({ name, secret }) => {
    const { value, origin = "default" } = resolved.get(name) ?? {};
    return {
      name,
      ...(value === undefined ? {} : { value: shown(value, secret) }),
      origin,
      ...(waiting.has(name) ? { waiting: shown(waiting.get(name), secret) } : {}),
    };
  });
}

function refusal(setting: string, value: unknown): readonly Refused[] {
  const description = settings.get(setting);
  if (description === undefined) {
    const meant = nearest(setting, settings.keys());
    return [{ setting, message: `There is no such setting${meant === undefined ? "" : `, did you mean ${meant}?`}` }];
  }
  if (!description.live)
    return [{ setting, message: "Needs a restart: set it in the file, and start the gateway again" }];
  if (description.secret && value !== null)
    return [{ setting, message: "A secret is not kept in the log: set it in the file or the environment" }];
  return [];
}

function patched(kept: Kept, patch: Patch, by: { who: string; at: number }): Kept {
  const next = new Map(Object.entries(kept));
  for (const [setting, value] of Object.entries(patch)) {
    if (value === null) next.delete(setting);
    else if (!same(next.get(setting)?.value, value)) next.set(setting, { value, ...by });
  }
  return Object.fromEntries(next);
}

function no(setting: string, message: string): Changed {
  return { ok: false, refused: [{ setting, message }] };
}

/** What is wrong with a change itself needs neither origin nor name beside it. */
function refusedFor({ where, message, settings: names = [] }: Problem): Refused {
  const setting = names[0] ?? "";
  if (!where.startsWith(changedBy)) return { setting, message: `${where}: ${message}` };
  return { setting, message: message.startsWith(`${setting}: `) ? message.slice(setting.length + 2) : message };
}

function refusedBy(loaded: Loaded): Changed {
  const problems: readonly Problem[] = loaded.ok ? [] : loaded.problems;
  return { ok: false, refused: problems.map(refusedFor) };
}
