/**
 * Who may do what: https://cloud.google.com/run/docs/reference/iam/permissions. What a deployment needs beside:
 * https://cloud.google.com/run/docs/deploying#required_roles
 */
import { StatusError } from "../gcpSecretManager/status";

export const PERMISSIONS = {
  GetService: "run.services.get",
  UpdateService: "run.services.update",
  GetRevision: "run.revisions.get",
  ListRevisions: "run.revisions.list",
  GetOperation: "run.operations.get",
} as const;

export type Method = keyof typeof PERMISSIONS;

/** What is asked for where the template changes: for the identity of the service, and for its image. */
export const DEPLOYING = ["iam.serviceaccounts.actAs", "artifactregistry.repositories.downloadArtifacts"] as const;

/** @param held absent: everything. */
export function checkPermission(held: ReadonlySet<string> | undefined, permission: string, resource: string): void {
  if (held === undefined || held.has(permission.toLowerCase())) return;
  throw new StatusError(
    "PERMISSION_DENIED",
    `Permission '${permission}' denied on resource '${resource}' (or resource may not exist).`,
  );
}
