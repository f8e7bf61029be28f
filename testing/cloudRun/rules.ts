/** What the API accepts. Each rule names where that is said. */
import { StatusError } from "../gcpSecretManager/status";
import type { ServiceMessage, TrafficTarget } from "./wire";

/** service.proto of google.cloud.run.v2: annotations of these namespaces "will be rejected". */
const RESERVED =
  /^([a-z0-9-]+\.)*(run\.googleapis\.com|cloud\.googleapis\.com|serving\.knative\.dev|autoscaling\.knative\.dev)\//;
/** https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set, whose rules these follow. */
const ANNOTATION = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const ANNOTATION_BYTES = 256 * 1024;
/** https://cloud.google.com/run/docs/rollouts-rollbacks-traffic-migration#tags */
const TAG = /^[a-z0-9](?:[a-z0-9-]{0,44}[a-z0-9])?$/;
/** The fields that can be told. service.proto of google.cloud.run.v2: the others are "Output only". */
const UPDATABLE = new Set(["template", "traffic", "annotations", "labels"]);

export function checkPaths(paths: readonly string[]): void {
  for (const path of paths)
    if (!UPDATABLE.has(path)) throw invalid(`This emulator can update ${[...UPDATABLE].join(", ")} only; not ${path}.`);
}

export function checkAnnotations(annotations: Readonly<Record<string, string>> = {}): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (RESERVED.test(key)) throw invalid("Annotations with system namespaces are not supported in v2.");
    if (!ANNOTATION.test(key)) throw invalid("The annotation key is not valid.");
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > ANNOTATION_BYTES) throw invalid("The annotations are larger than 256 KiB.");
}

/** traffic_target.proto and service.proto of google.cloud.run.v2; that percentages add up to 100 is what the service asks for. */
export function checkTraffic(traffic: readonly TrafficTarget[]): void {
  if (traffic.length === 0) return;
  const sum = traffic.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum !== 100) throw invalid(`Traffic percentages must add up to 100; they add up to ${sum}.`);
  const tags = traffic.flatMap(({ tag = "" }) => (tag === "" ? [] : [tag]));
  if (new Set(tags).size !== tags.length) throw invalid("A tag is given twice.");
  for (const tag of tags) if (!TAG.test(tag)) throw invalid("The tag is not valid.");
  for (const { type, revision = "" } of traffic) {
    if (type === "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" && revision !== "")
      throw invalid("A target of the latest revision names none.");
    if (type === "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION" && revision === "")
      throw invalid("A target by revision names one.");
  }
}

/** https://google.aip.dev/154: an etag that is not the current one is answered with ABORTED. */
export function checkEtag(given: ServiceMessage, etag: string): void {
  if (given.etag && given.etag !== etag)
    throw new StatusError("ABORTED", "Conflict for resource: the etag does not match the current one.");
}

export function invalid(message: string): StatusError {
  return new StatusError("INVALID_ARGUMENT", message);
}
