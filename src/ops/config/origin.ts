/**
 * Where the value of a setting comes from, as it is told.
 *
 * Pure.
 * @module
 */
import { profileByHost } from "./load.ts";
import { profiles } from "./schema.ts";

/** Whether somebody said so, and not a default or the profile. */
export function isGiven(origin: string): boolean {
  return (
    origin !== "default" && origin !== profileByHost && !profiles.some((profile) => origin === `profile ${profile}`)
  );
}
