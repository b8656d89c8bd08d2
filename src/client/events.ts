/**
 * A typed event emitter: what is listened to is named in one type. A listener that throws does not stop the
 * others, and never the SDK: its error is reported last.
 *
 * Pure.
 * @module
 */
export type Unlisten = () => void;

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): Unlisten {
    let set = this.#listeners.get(name);
    if (set === undefined) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    const set = this.#listeners.get(name) as Set<(value: Events[Name]) => void> | undefined;
    if (set === undefined) return;
    let failure: { error: unknown } | undefined;
    for (const listener of [...set]) {
      try {
        listener(value);
      } catch (error) {
        failure ??= { error };
      }
    }
    // A broken listener is the application's bug: it must be seen, but not unwind the SDK in the middle of a frame.
    if (failure !== undefined) void Promise.reject(failure.error);
  }
}
