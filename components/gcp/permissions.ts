/** What the pipeline may do with the two secrets, as the store does it (docs/stores/gcp.md). They are there already. */
export const PIPELINE_PERMISSIONS: readonly string[] = [
  "secretmanager.secrets.get",
  "secretmanager.secrets.update",
  "secretmanager.versions.access",
  "secretmanager.versions.add",
  "secretmanager.versions.destroy",
  "secretmanager.versions.disable",
  "secretmanager.versions.enable",
  "secretmanager.versions.get",
  "secretmanager.versions.list",
];

/** Reads versions, and nothing of the secret itself. */
export const CONSUMER_ROLE = "roles/secretmanager.secretAccessor";

/** A role's id: letters, digits, `_` and `.`, 3 to 64 of them. */
export function roleIdOf(secret: string): string {
  return `rotation_${secret.replace(/[^A-Za-z0-9_.]/g, "_")}`.slice(0, 64);
}
