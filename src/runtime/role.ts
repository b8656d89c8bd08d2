/**
 * What somebody may do beyond being a client: viewer reads, operator also acts, admin also configures. Ascending.
 * @module
 */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];
