/**
 * What the schema of a setting is made of: its notes for people, and shapes that many settings share.
 * @module
 */
import { z } from "zod";

/** What stands in the documentation, in editors and in REST beside a setting's type. */
export type SettingNotes = {
  readonly description: string;
  readonly unit?: string;
  /** What it may hold, where the type does not say it. */
  readonly range?: string;
  /** Takes effect without a restart. */
  readonly live?: true;
  /** Its value is never shown. */
  readonly secret?: true;
};

export function notesOf(schema: z.core.$ZodType): SettingNotes | undefined {
  return z.globalRegistry.get(schema as z.ZodType) as SettingNotes | undefined;
}

export function noted<T extends z.ZodType>(schema: T, notes: SettingNotes): T {
  return schema.meta({ ...notes }) as T;
}

export function whole(min: number, max: number) {
  return z.number().int().min(min).max(max);
}

/** Text for which `problemOf` finds no problem. */
export function checked(problemOf: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}
