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

/** What the consumer `cloudRun` does with a service (docs/consumers/cloudRun.md). */
export const CLOUD_RUN_PERMISSIONS: readonly string[] = [
  "run.revisions.get",
  "run.services.get",
  "run.services.update",
];

/** What it reads in the secret `<name>-rotation`: which versions of `<name>` hold what. No value. */
export const CLOUD_RUN_RECORD_PERMISSIONS: readonly string[] = ["secretmanager.secrets.get"];

/** Where the secret is in another project, in which a role of ours cannot be given: metadata of secrets, no values. */
export const CLOUD_RUN_RECORD_ROLE = "roles/secretmanager.viewer";

/** On the account that the service runs as: who makes a revision acts as it. */
export const CLOUD_RUN_IDENTITY_ROLE = "roles/iam.serviceAccountUser";

/** On the repository of the service's image: who makes a revision has to be able to read it. */
export const CLOUD_RUN_IMAGE_ROLE = "roles/artifactregistry.reader";
