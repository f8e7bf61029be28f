/** What a call of the API failed with, and how it is told. Never the service's own text: it may quote the request. */
import {
  ConfigurationError,
  NotFoundError,
  StateError,
  UnreachableError,
  type RotationError,
} from "../../lifecycle/errors";
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
  const { subject: secret, status, reason } = failure;
  const method = failure.method as Method;
  const start = `The store ${store.location} could not ${doing}: `;
  switch (status) {
    case "PERMISSION_DENIED":
      return new ConfigurationError(
        reason === "SERVICE_DISABLED"
          ? `${start}the Secret Manager API is not enabled in the project ${store.project}. ${AGAIN} Enable it with ` +
              `gcloud services enable secretmanager.googleapis.com --project ${store.project}, then run again.`
          : `${start}the permission ${PERMISSIONS[method]} is missing ` +
              (method === "createSecret" ? `on the project ${store.project}` : `on the secret ${secret}`) +
              ` of the project ${store.project}, or that does not exist. ${AGAIN} Grant it to who runs pulumi, or log ` +
              "in as somebody who has it.",
      );
    case "UNAUTHENTICATED":
    case "NO_CREDENTIALS":
      return new ConfigurationError(
        `${start}${status === "UNAUTHENTICATED" ? "Google Cloud did not accept the credentials" : "there are no usable credentials of Google Cloud"}. ` +
          `${AGAIN} Log in with gcloud auth application-default login, or let GOOGLE_APPLICATION_CREDENTIALS name ` +
          "the credentials of a service account or of a workload identity.",
      );
    case "RESOURCE_EXHAUSTED":
      return new UnreachableError(
        `${start}a quota of the project ${store.project} is used up, also after several tries. ${AGAIN} See ` +
          "https://cloud.google.com/secret-manager/quotas.",
      );
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
      return new UnreachableError(
        `${start}${store.service} did not answer in time, or not well (${status}). ${AGAIN} Check the network, and ` +
          "https://status.cloud.google.com.",
      );
  }
}
