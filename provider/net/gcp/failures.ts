/** How a failed call is told where that is the same for all of Google Cloud's APIs. */
import { ConfigurationError, UnreachableError, type RotationError } from "../../lifecycle/errors";
import type { CallFailure } from "./status";

/** What an adapter says of a call. Each sentence part is for people. */
export interface Told {
  /** Who could not do what, as messages begin; ends with a colon and a space. */
  readonly start: string;
  /** What state things are in now, and that the run is to be repeated. */
  readonly again: string;
  readonly project: string;
  /** The API's name, and the service by which it is enabled. */
  readonly api: { readonly name: string; readonly service: string; readonly quotas: string };
  /** Where it was asked. */
  readonly asked: string;
  /** Which permission is missing on what. */
  readonly missing: { readonly permission: string; readonly on: string };
}

/** No right, nobody logged in, or a quota; `undefined` for anything else. */
export function accessFailure({ status, reason }: CallFailure, told: Told): RotationError | undefined {
  const { start, again, project, api, missing } = told;
  switch (status) {
    case "PERMISSION_DENIED":
      return new ConfigurationError(
        reason === "SERVICE_DISABLED"
          ? `${start}the ${api.name} is not enabled in the project ${project}. ${again} Enable it with gcloud services ` +
              `enable ${api.service} --project ${project}, then run again.`
          : `${start}the permission ${missing.permission} is missing on ${missing.on}, or that does not exist. ${again} ` +
              "Grant it to who runs pulumi, or log in as somebody who has it.",
      );
    case "UNAUTHENTICATED":
    case "NO_CREDENTIALS":
      return new ConfigurationError(
        `${start}${status === "UNAUTHENTICATED" ? "Google Cloud did not accept the credentials" : "there are no usable credentials of Google Cloud"}. ` +
          `${again} Log in with gcloud auth application-default login, or let GOOGLE_APPLICATION_CREDENTIALS name ` +
          "the credentials of a service account or of a workload identity.",
      );
    case "RESOURCE_EXHAUSTED":
      return new UnreachableError(
        `${start}a quota of the project ${project} is used up, also after several tries. ${again} See ${api.quotas}.`,
      );
    default:
      return undefined;
  }
}

/** Nobody answered, or not with anything that says more. */
export function didNotAnswer({ status }: CallFailure, { start, again, asked }: Told): UnreachableError {
  return new UnreachableError(
    `${start}${asked} did not answer in time, or not well (${status}). ${again} Check the network, and ` +
      "https://status.cloud.google.com.",
  );
}

export const SECRET_MANAGER = {
  name: "Secret Manager API",
  service: "secretmanager.googleapis.com",
  quotas: "https://cloud.google.com/secret-manager/quotas",
} as const;
