/** How a failed call is told. Never the service's own text. */
import {
  ConfigurationError,
  ConflictError,
  StateError,
  UnreachableError,
  type RotationError,
} from "../../lifecycle/errors";
import { CallFailure } from "../../net/gcp/status";
import type { CloudRunConsumerOptions } from "./options";

export type Method = "getService" | "updateService" | "getRevision" | "getSecret";

/** https://cloud.google.com/run/docs/reference/iam/permissions and https://cloud.google.com/secret-manager/docs/access-control */
export const PERMISSIONS: Readonly<Record<Method, string>> = {
  getService: "run.services.get",
  updateService: "run.services.update",
  getRevision: "run.revisions.get",
  getSecret: "secretmanager.secrets.get",
};

/** What a change needs beside its own permission: https://cloud.google.com/run/docs/deploying#required_roles */
export const BESIDE_UPDATE = ["iam.serviceAccounts.actAs", "artifactregistry.repositories.downloadArtifacts"] as const;

/** Only these are repeated of what a service says is missing. */
const KNOWN = new Map(
  [...Object.values(PERMISSIONS), ...BESIDE_UPDATE].map((permission) => [permission.toLowerCase(), permission]),
);

const AGAIN = "What had been done before this call stays. Run again: the next run goes on from there.";

/** Runs `action`; a failed call becomes an error that names the consumer and what it was doing. */
export async function translatingFailures<T>(
  options: CloudRunConsumerOptions,
  doing: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof CallFailure ? translate(error, options, doing) : error;
  }
}

function translate(failure: CallFailure, options: CloudRunConsumerOptions, doing: string): RotationError {
  const { subject, status, reason } = failure;
  const method = failure.method as Method;
  const start = `Consumer "${options.name}" could not ${doing}: `;
  const isSecret = method === "getSecret";
  const [api, service] = isSecret
    ? ["Secret Manager API", "secretmanager.googleapis.com"]
    : ["Cloud Run Admin API", "run.googleapis.com"];
  switch (status) {
    case "PERMISSION_DENIED":
      return new ConfigurationError(
        reason === "SERVICE_DISABLED"
          ? `${start}the ${api} is not enabled in the project ${options.project}. ${AGAIN} Enable it with gcloud ` +
              `services enable ${service} --project ${options.project}, then run again.`
          : `${start}the permission ${missingOf(failure)} is missing on ${whereOf(failure, options)}, or that does not ` +
              `exist. ${AGAIN} Grant it to who runs pulumi, or log in as somebody who has it.`,
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
        `${start}a quota of the project ${options.project} is used up, also after several tries. ${AGAIN} See ` +
          `${isSecret ? "https://cloud.google.com/secret-manager/quotas" : "https://cloud.google.com/run/quotas"}.`,
      );
    case "NOT_FOUND":
      return new ConfigurationError(
        isSecret
          ? `${start}there is no secret ${subject}, in which the store records its versions. ${AGAIN} Check secrets: ` +
              "each has to be called as the store of that secret has it as name."
          : `${start}there is no service ${options.service} in ${options.region} of the project ${options.project}. ` +
              "Nothing was changed. Check project, region and service.",
      );
    case "INVALID_ARGUMENT":
    case "OUT_OF_RANGE":
    case "UNIMPLEMENTED":
    case "ALREADY_EXISTS":
      return new StateError(
        `${start}Cloud Run refused the call ${method} on ${subject} (${status}). Requests are served as before. Try the ` +
          `same change with gcloud run services update ${options.service}, which says what it does not like.`,
      );
    case "FAILED_PRECONDITION":
    case "ABORTED":
      return new ConflictError(
        `${start}others changed the service ${options.service} again and again meanwhile (${status}). Requests are ` +
          `served by one of its revisions. ${AGAIN}`,
      );
    default:
      return new UnreachableError(
        `${start}${service} did not answer in time, or not well (${status}). ${AGAIN} Check the network, and ` +
          "https://status.cloud.google.com.",
      );
  }
}

function missingOf({ method, permission }: CallFailure): string {
  const told = KNOWN.get(permission.toLowerCase());
  if (told !== undefined) return told;
  const own = PERMISSIONS[method as Method];
  return method === "updateService" ? `${own} (or ${BESIDE_UPDATE.join(", or ")})` : own;
}

function whereOf({ method, subject, permission }: CallFailure, { project, service }: CloudRunConsumerOptions): string {
  const told = permission.toLowerCase();
  if (told === BESIDE_UPDATE[0].toLowerCase()) return `the service account that the service ${service} runs as`;
  if (told === BESIDE_UPDATE[1].toLowerCase()) return `the repository of the image of the service ${service}`;
  if (method === "getSecret") return `the secret ${subject}`;
  return `the service ${service} of the project ${project}`;
}
