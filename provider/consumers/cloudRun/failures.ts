/** How a failed call is told. Never the service's own text. */
import { ConfigurationError, ConflictError, StateError, type RotationError } from "../../lifecycle/errors";
import { accessFailure, didNotAnswer, SECRET_MANAGER } from "../../net/gcp/failures";
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

const CLOUD_RUN = {
  name: "Cloud Run Admin API",
  service: "run.googleapis.com",
  quotas: "https://cloud.google.com/run/quotas",
} as const;

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
  const { subject, status } = failure;
  const method = failure.method as Method;
  const start = `Consumer "${options.name}" could not ${doing}: `;
  const isSecret = method === "getSecret";
  const api = isSecret ? SECRET_MANAGER : CLOUD_RUN;
  const missing = { permission: missingOf(failure), on: whereOf(failure, options) };
  const told = { start, again: AGAIN, project: options.project, api, asked: api.service, missing };
  const access = accessFailure(failure, told);
  if (access) return access;
  switch (status) {
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
      if (isSecret)
        return new ConfigurationError(
          `${start}${subject} is no name of a secret in Secret Manager (${status}). ${AGAIN} Say in secrets what each ` +
            "secret is called there.",
        );
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
      return didNotAnswer(failure, told);
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
