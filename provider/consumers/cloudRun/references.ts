/** Where a template names secrets, and which versions of them. Pure. */
import { createHash } from "node:crypto";
import type { SecretRef, Template, Workload } from "./messages";

/** One secret of the target as a template has to name it. */
export interface Pin {
  /** As the rollout calls it. */
  readonly secret: string;
  /** The version of the rollout. */
  readonly version: number;
  /** The id in Secret Manager. */
  readonly id: string;
  /** How a template may call it: by its id alone, or with the project's id or number. */
  readonly names: ReadonlySet<string>;
  /** The numbers of the native versions that hold the target's payload; at least one. */
  readonly numbers: readonly number[];
}

/** The annotation of a template, for people, that says which versions it pins. */
export const PINNED_KEY = "pulumi-rotating-secrets/versions";

/** What the workload names of the secret: numbers, aliases, `latest`. */
export function namedVersions(workload: Workload, pin: Pin): readonly string[] {
  const found: string[] = [];
  mapReferences(workload, (reference) => {
    if (pin.names.has(reference.secret)) found.push(reference.version);
    return reference.version;
  });
  return found;
}

/** Whether it can only use the target's versions. */
export function isPinned(workload: Workload, goal: readonly Pin[]): boolean {
  return goal.every((pin) => {
    const numbers = new Set(pin.numbers.map(String));
    const named = namedVersions(workload, pin);
    return named.length > 0 && named.every((version) => numbers.has(version));
  });
}

/**
 * The template with the target's versions, and without a name for its revision: that of another revision would be taken.
 * @param like a revision whose numbers are taken where they hold the target as well.
 * @param attempt told in the annotation, so that another one makes another revision.
 */
export function pinned(
  template: Template,
  goal: readonly Pin[],
  like: Workload | undefined,
  attempt: number,
): Template {
  const wanted = goal.map((pin) => {
    const numbers = like === undefined ? [] : namedVersions(like, pin).map(Number);
    return { pin, number: String(numbers.find((number) => pin.numbers.includes(number)) ?? Math.max(...pin.numbers)) };
  });
  const workload = mapReferences(template, ({ secret, version }) => {
    const found = wanted.find(({ pin }) => pin.names.has(secret));
    return found === undefined ? version : found.number;
  });
  return {
    ...template,
    ...workload,
    revision: "",
    annotations: { ...template.annotations, [PINNED_KEY]: describePins(goal, attempt) },
  };
}

function describePins(goal: readonly Pin[], attempt: number): string {
  const versions = goal.map(({ secret, version }) => `${secret} v${version}`).join(", ");
  return attempt > 1 ? `${versions} (attempt ${attempt})` : versions;
}

/** The attempt that the template is of. */
export function attemptOf(template: Template): number {
  return Number(/\(attempt (\d+)\)$/.exec(template.annotations?.[PINNED_KEY] ?? "")?.[1] ?? 1);
}

/** The same for templates that differ in nothing but the versions of these secrets and what we note. */
export function contentOf(template: Template, goal: readonly Pin[]): string {
  const names = new Set(goal.flatMap((pin) => [...pin.names]));
  const { revision: _revision, annotations, ...rest } = template;
  const { [PINNED_KEY]: _pinned, ...others } = annotations ?? {};
  const workload = mapReferences(rest, ({ secret, version }) => (names.has(secret) ? "" : version));
  const text = canonical({ ...rest, ...workload, annotations: others });
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

interface Reference {
  readonly secret: string;
  readonly version: string;
}

function mapReferences(workload: Workload, versionOf: (reference: Reference) => string): Workload {
  const named = (secret: string | undefined, version: string | undefined) => ({
    secret: secret ?? "",
    // https://cloud.google.com/run/docs/reference/rest/v2/Container#secretkeyselector: absent is the newest.
    version: version || "latest",
  });
  const containers = (workload.containers ?? []).map((container) => ({
    ...container,
    env: (container.env ?? []).map((variable) => {
      const reference: SecretRef | null | undefined = variable.valueSource?.secretKeyRef;
      if (!reference) return variable;
      const version = versionOf(named(reference.secret, reference.version));
      return { ...variable, valueSource: { ...variable.valueSource, secretKeyRef: { ...reference, version } } };
    }),
  }));
  const volumes = (workload.volumes ?? []).map((volume) => {
    const source = volume.secret;
    if (!source) return volume;
    // Without items the volume has one file, called as the secret, with the newest version.
    const given = source.items ?? [];
    const items = given.length > 0 ? given : [{ path: fileName(source.secret ?? ""), version: "latest" }];
    const mapped = items.map((item) => ({ ...item, version: versionOf(named(source.secret, item.version)) }));
    const isUnchanged = given.length === 0 && mapped.every(({ version }) => version === "latest");
    return { ...volume, secret: { ...source, items: isUnchanged ? given : mapped } };
  });
  return { containers, volumes };
}

function fileName(secret: string): string {
  return secret.slice(secret.lastIndexOf("/") + 1);
}

/** JSON with sorted keys, and without what proto3 does not tell from absent. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value)
    .filter(([, inner]) => !saysNothing(inner))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`);
  return `{${parts.join(",")}}`;
}

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
