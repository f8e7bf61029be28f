/**
 * Where a pod template names Secrets, and the same template with other names.
 *
 * What else of a Secret there can be in a pod (the credentials of some kinds of volumes) is not looked at.
 */
import type { Container, PodSpec, SecretKey } from "./workload";

/** A field, or the element of a list that has this name. */
export type Step = string | { readonly name: string };

export interface Reference {
  /** The Secret's name. */
  readonly secret: string;
  /** For people: `volume "credentials"`, `env PASSWORD of container "app"`. */
  readonly where: string;
  /**
   * The smallest field that can be applied by itself, from the pod's spec. `envFrom`, the sources of a projected volume
   * and a secretKeyRef are atomic: they are applied as a whole.
   * https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
   */
  readonly path: readonly Step[];
  /** The keys that must be in the Secret for the pod to start. */
  readonly keys: readonly SecretKey[];
  /** Names of image pull secrets are the keys of their list, so they cannot be moved by apply. */
  readonly isPullSecret?: true;
}

export function findReferences(spec: PodSpec): Reference[] {
  return [
    ...(spec.volumes ?? []).flatMap(inVolume),
    ...(spec.initContainers ?? []).flatMap((container) => inContainer(container, "initContainers")),
    ...(spec.containers ?? []).flatMap((container) => inContainer(container, "containers")),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }): Reference[] =>
      name
        ? [{ secret: name, where: "imagePullSecrets", path: ["imagePullSecrets"], keys: [], isPullSecret: true }]
        : [],
    ),
  ];
}

function inVolume({ name, secret, projected }: NonNullable<PodSpec["volumes"]>[number]): Reference[] {
  const found: Reference[] = [];
  if (secret?.secretName) {
    const path = ["volumes", { name }, "secret", "secretName"];
    const keys = secret.optional ? [] : (secret.items ?? []);
    found.push({ secret: secret.secretName, where: `volume "${name}"`, path, keys });
  }
  for (const { secret: source } of projected?.sources ?? []) {
    if (!source?.name) continue;
    const path = ["volumes", { name }, "projected", "sources"];
    const keys = source.optional ? [] : (source.items ?? []);
    found.push({ secret: source.name, where: `projected volume "${name}"`, path, keys });
  }
  return found;
}

function inContainer({ name, env, envFrom }: Container, list: "containers" | "initContainers"): Reference[] {
  const found: Reference[] = [];
  const whose = `of ${list === "containers" ? "container" : "init container"} "${name}"`;
  for (const { secretRef } of envFrom ?? []) {
    if (!secretRef?.name) continue;
    found.push({ secret: secretRef.name, where: `envFrom ${whose}`, path: [list, { name }, "envFrom"], keys: [] });
  }
  for (const { name: variable, valueFrom } of env ?? []) {
    const ref = valueFrom?.secretKeyRef;
    if (!ref?.name) continue;
    const path = [list, { name }, "env", { name: variable }, "valueFrom", "secretKeyRef"];
    const keys = ref.optional ? [] : [{ key: ref.key }];
    found.push({ secret: ref.name, where: `env ${variable} ${whose}`, path, keys });
  }
  return found;
}

/** @param next the name to take in place of one; `undefined` leaves it. Pull secrets stay as they are. */
export function withNames<T extends PodSpec>(spec: T, next: (name: string) => string | undefined): T {
  const moved = structuredClone(spec) as Mutable<T>;
  const move = (holder: { name?: string } | undefined) => {
    if (holder?.name) holder.name = next(holder.name) ?? holder.name;
  };
  for (const volume of moved.volumes ?? []) {
    const { secret, projected } = volume;
    if (secret?.secretName) secret.secretName = next(secret.secretName) ?? secret.secretName;
    for (const source of projected?.sources ?? []) move(source.secret);
  }
  for (const container of [...(moved.initContainers ?? []), ...(moved.containers ?? [])]) {
    for (const source of container.envFrom ?? []) move(source.secretRef);
    for (const variable of container.env ?? []) move(variable.valueFrom?.secretKeyRef);
  }
  return moved as T;
}

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
