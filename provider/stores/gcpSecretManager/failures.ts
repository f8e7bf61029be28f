/** What a call of the API failed with, and how it is told. Never the service's own text: it may quote the request. */
import { ConfigurationError, NotFoundError, StateError, type RotationError } from "../../lifecycle/errors";
import { accessFailure, didNotAnswer, SECRET_MANAGER } from "../../net/gcp/failures";
import { CallFailure } from "../../net/gcp/status";

export { CallFailure, hasStatus } from "../../net/gcp/status";

export type Method =
  | "createSecret"
  | "getSecret"
  | "updateSecret"
  | "addSecretVersion"
  | "getSecretVersion"
  | "listSecretVersions"
  | "accessSecretVersion"
  | "disableSecretVersion"
  | "enableSecretVersion"
  | "destroySecretVersion";

/** https://cloud.google.com/secret-manager/docs/access-control */
export const PERMISSIONS: Readonly<Record<Method, string>> = {
  createSecret: "secretmanager.secrets.create",
  getSecret: "secretmanager.secrets.get",
  updateSecret: "secretmanager.secrets.update",
  addSecretVersion: "secretmanager.versions.add",
  getSecretVersion: "secretmanager.versions.get",
  listSecretVersions: "secretmanager.versions.list",
  accessSecretVersion: "secretmanager.versions.access",
  disableSecretVersion: "secretmanager.versions.disable",
  enableSecretVersion: "secretmanager.versions.enable",
  destroySecretVersion: "secretmanager.versions.destroy",
};

/** Runs `action`; a failed call becomes an error that names the store and what it was doing. */
export async function translatingFailures<T>(store: Told, doing: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof CallFailure ? translate(error, store, doing) : error;
  }
}

export interface Told {
  readonly location: string;
  readonly project: string;
  /** Where it is asked, for people. */
  readonly service: string;
}

const AGAIN = "What had been done before this call stays. Run again: the next run completes it.";

function translate(failure: CallFailure, store: Told, doing: string): RotationError {
  const { subject: secret, status } = failure;
  const method = failure.method as Method;
  const start = `The store ${store.location} could not ${doing}: `;
  const subject = method === "createSecret" ? `the project ${store.project}` : `the secret ${secret}`;
  const told = {
    start,
    again: AGAIN,
    project: store.project,
    api: SECRET_MANAGER,
    asked: store.service,
    missing: { permission: PERMISSIONS[method], on: `${subject} of the project ${store.project}` },
  };
  const access = accessFailure(failure, told);
  if (access) return access;
  switch (status) {
    case "NOT_FOUND":
      return method === "createSecret"
        ? new ConfigurationError(
            `${start}the project ${store.project} does not exist. Nothing was made. Check project.`,
          )
        : new NotFoundError(`${start}the secret ${secret}, or a version of it, does not exist. ${AGAIN}`);
    case "INVALID_ARGUMENT":
    case "OUT_OF_RANGE":
    case "UNIMPLEMENTED":
      return new ConfigurationError(
        `${start}the service refused the call ${method} on the secret ${secret} (${status}). ${AGAIN} Check the ` +
          "options of the store, the limits of a secret (50 aliases, 64 KiB) and that its replicas' regions exist.",
      );
    case "FAILED_PRECONDITION":
    case "ALREADY_EXISTS":
      return new StateError(
        `${start}the secret ${secret} is not in a state that allows the call ${method} (${status}). ${AGAIN} If it ` +
          "fails again, look at its versions: somebody may have disabled or destroyed one.",
      );
    default:
      return didNotAnswer(failure, told);
  }
}
