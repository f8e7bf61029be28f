/**
 * Who may do what. https://cloud.google.com/secret-manager/docs/access-control; the permission of each method stands on
 * its page below https://cloud.google.com/secret-manager/docs/reference/rest
 */
import { StatusError } from "./status";

export const PERMISSIONS = {
  ListSecrets: "secretmanager.secrets.list",
  CreateSecret: "secretmanager.secrets.create",
  GetSecret: "secretmanager.secrets.get",
  UpdateSecret: "secretmanager.secrets.update",
  DeleteSecret: "secretmanager.secrets.delete",
  AddSecretVersion: "secretmanager.versions.add",
  ListSecretVersions: "secretmanager.versions.list",
  GetSecretVersion: "secretmanager.versions.get",
  AccessSecretVersion: "secretmanager.versions.access",
  DisableSecretVersion: "secretmanager.versions.disable",
  EnableSecretVersion: "secretmanager.versions.enable",
  DestroySecretVersion: "secretmanager.versions.destroy",
} as const;

export type Method = keyof typeof PERMISSIONS;

/** By the id of a secret; `"*"` is the project, which `CreateSecret` and `ListSecrets` need and every secret inherits. */
export type Grants = Readonly<Record<string, readonly string[]>>;

/** The service does not tell a secret that is absent from one that may not be seen, nor does this. */
export function checkPermission(grants: Grants | undefined, method: Method, secret: string | undefined): void {
  if (grants === undefined) return;
  const permission = PERMISSIONS[method];
  const held = [...(grants["*"] ?? []), ...(secret === undefined ? [] : (grants[secret] ?? []))];
  if (held.includes(permission)) return;
  const resource = secret === undefined ? "the project" : `'${secret}'`;
  throw new StatusError(
    "PERMISSION_DENIED",
    `Permission '${permission}' denied for resource ${resource} (or it may not exist).`,
  );
}
