/** The rules of the roles, as data. */

export interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
  readonly resourceNames?: string[];
}

/**
 * What the store does (docs/stores/kubernetes.md). Without names: those of the versions are not known beforehand, and
 * `create` and `list` cannot be limited to names at all
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources).
 */
export const PIPELINE_RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "create", "update", "delete"] },
  // Who still mounts a version that is to be retired.
  { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
];

/** What `consumer.kubernetes` does beside that (docs/consumers/kubernetes.md). Names cannot limit a `list` either. */
export const ROLLING_RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["secrets", "pods", "events"], verbs: ["list"] },
  { apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list"] },
  { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"], verbs: ["get", "list", "patch"] },
  // A pod of a StatefulSet that does not come up keeps it from going back.
  { apiGroups: [""], resources: ["pods"], verbs: ["delete"] },
];

/** For those who ask the API server for the stable Secret. Pods that mount a Secret need no role. */
export function consumerRules(stableName: string): Rule[] {
  return [{ apiGroups: [""], resources: ["secrets"], resourceNames: [stableName], verbs: ["get"] }];
}
