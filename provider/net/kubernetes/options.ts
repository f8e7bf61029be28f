/** The options of whatever is in a Kubernetes cluster. */
import { z } from "zod";
import { describeValue, text } from "../options";

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
export const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** A label's value, and the longest name of a namespace. */
export const MAX_LABEL_VALUE = 63;
const MAX_NAME = 253;

export const namespaceOption = z
  .string({ error: (issue) => nameError("namespace", issue.input) })
  .max(MAX_LABEL_VALUE, { error: (issue) => nameError("namespace", issue.input) })
  .regex(DNS_LABEL, { error: (issue) => nameError("namespace", issue.input) });

/** The name of an object, or of the Secrets of one secret. */
export function objectName(what: string, maxLength = MAX_NAME) {
  const error = (issue: { input?: unknown }) => nameError(what, issue.input, maxLength, true);
  return z.string({ error }).max(maxLength, { error }).regex(DNS_SUBDOMAIN, { error });
}

/** Not the value: somebody may have put a whole kubeconfig there. */
const kubeconfigError = ({ input }: { input?: unknown }) =>
  'kubeconfig must be "in-cluster" or { path?, context? }, where path names a file; a kubeconfig itself must not stand ' +
  `there, since it holds credentials; it is ${typeof input === "object" && input !== null ? `an object with ${Object.keys(input).join(", ")}` : `a ${typeof input}`}`;

export const kubeconfigOption = z.union(
  [
    z.literal("in-cluster"),
    z.strictObject(
      { path: text("kubeconfig.path").optional(), context: text("kubeconfig.context", 253).optional() },
      { error: kubeconfigError },
    ),
  ],
  { error: kubeconfigError },
);

/**
 * How the cluster is reached: a kubeconfig's path and context, or "in-cluster" for the service account of the pod that
 * runs `pulumi`.
 */
export type Kubeconfig = z.infer<typeof kubeconfigOption>;

function nameError(what: string, input: unknown, maxLength = MAX_LABEL_VALUE, withDots = false): string {
  const dots = withDots ? ", and dots between them" : "";
  return (
    `${what} must be a text of 1 to ${maxLength} lower-case letters, digits and hyphens${dots}, beginning and ` +
    `ending with a letter or digit; it is ${describeValue(input)}`
  );
}
