/** Decides what of a workload has to change for it to use the target. Pure. */
import { parseReaderName } from "../../net/kubernetes/marks";
import { fieldAt, union } from "./apply";
import { FORMER, formerIn, notesIn, VERSIONS, withRecord, type Former, type Note } from "./notes";
import { whyNotRollable } from "./progress";
import type { FoundSecret, Wanted } from "./readers";
import { findReferences, withNames, type Reference } from "./references";
import type { Fields, Template, Workload } from "./workload";

export type Plan =
  /** It names the target already. */
  | { readonly is: "there" }
  | { readonly is: "move"; readonly desired: Workload; readonly changed: Fields; readonly moves: readonly string[] }
  /** It cannot be moved; a sentence part on why, and what to do. */
  | { readonly is: "impossible"; readonly why: string };

export function plan(workload: Workload, target: readonly Wanted[], annotationOnly: boolean): Plan {
  const made = annotationOnly ? planRestart(workload, target) : planMove(workload, target);
  const why = made.is === "move" ? whyNotRollable(workload) : undefined;
  return why === undefined ? made : { is: "impossible", why };
}

function planMove(workload: Workload, target: readonly Wanted[]): Plan {
  const { template } = workload.spec;
  const references = findReferences(template.spec);
  const named = target.map((wanted) => ({ wanted, references: referencesTo(wanted, references) }));
  if (named.every((one) => one.references.length === 0)) return { is: "impossible", why: whyUnnamed(workload, target) };
  const stale = named.filter(({ wanted, references: own }) => own.some(({ secret }) => !isReader(wanted, secret)));
  if (stale.length === 0) return { is: "there" };

  const former = formerIn(workload.metadata.annotations);
  const moves = stale.map(({ wanted, references: own }) => moveOf(wanted, own, former[wanted.secret]));
  const pull = moves.flatMap(({ moved }) => moved).find(({ isPullSecret }) => isPullSecret);
  if (pull) return { is: "impossible", why: whyPullSecret(pull) };
  const missing = moves.flatMap(missingKeys);
  if (missing.length > 0) return { is: "impossible", why: missing.join("; ") };

  const names = new Map(
    moves.flatMap(({ moved, to }) => moved.map(({ secret }) => [secret, to.metadata.name] as const)),
  );
  const paths = moves.flatMap(({ moved }) => moved.map(({ path }) => fieldAt(["spec", "template", "spec", ...path])));
  const spec = withNames(template.spec, (name) => names.get(name));
  const notes = { ...notesIn(template.metadata?.annotations) };
  const kept = { ...former };
  for (const { wanted, note, before } of moves) {
    if (before) kept[wanted.secret] = { name: before, ...noted(notes[wanted.secret]) };
    else Reflect.deleteProperty(kept, wanted.secret);
    if (note) notes[wanted.secret] = note;
    else Reflect.deleteProperty(notes, wanted.secret);
  }
  return {
    is: "move",
    ...withAnnotations(workload, { ...template, spec }, notes, kept, paths),
    moves: moves.map(
      ({ moved, to }) => `${[...new Set(moved.map(({ secret }) => secret))].join(", ")} to ${to.metadata.name}`,
    ),
  };
}

interface Move {
  readonly wanted: Wanted;
  readonly to: FoundSecret;
  readonly moved: readonly Reference[];
  /** What it named, where that was one Secret only. */
  readonly before: string | undefined;
  /** What the template is to say of it; absent: nothing, as it did before. */
  readonly note: Note | undefined;
}

function moveOf(wanted: Wanted, references: readonly Reference[], former: Former | undefined): Move {
  const moved = references.filter(({ secret }) => !isReader(wanted, secret));
  const used = references.map(({ secret }) => secret).find((secret) => isReader(wanted, secret));
  const back = former !== undefined && used === undefined ? readerCalled(wanted, former.name) : undefined;
  const to = back ?? readerCalled(wanted, used) ?? wanted.readers[0];
  if (to === undefined) throw new RangeError("a version without a Secret");
  const names = new Set(references.map(({ secret }) => secret));
  const [before] = names.size === 1 ? names : [];
  const { version, fingerprint } = wanted;
  return { wanted, to, moved, before, note: back ? former?.note : { version, fingerprint } };
}

/** Restarted by its annotation alone, it reads what is current by itself. */
function planRestart(workload: Workload, target: readonly Wanted[]): Plan {
  const { template } = workload.spec;
  const notes = notesIn(template.metadata?.annotations);
  const stale = target.filter((wanted) => !isNoted(notes, wanted));
  if (stale.length === 0) return { is: "there" };
  const next = { ...notes };
  for (const { secret, version, fingerprint } of stale) next[secret] = { version, fingerprint };
  const former = formerIn(workload.metadata.annotations);
  return {
    is: "move",
    ...withAnnotations(workload, template, next, former, []),
    moves: stale.map(({ secret, version }) => `"${secret}" to v${version}`),
  };
}

export function isNoted(notes: Readonly<Record<string, Note>>, { secret, version, fingerprint }: NotedTarget): boolean {
  const note = notes[secret];
  return note?.version === version && note.fingerprint === fingerprint;
}

type NotedTarget = Pick<Wanted, "secret" | "version" | "fingerprint">;

function withAnnotations(
  workload: Workload,
  template: Template,
  notes: Readonly<Record<string, Note>>,
  former: Readonly<Record<string, Former>>,
  paths: readonly Fields[],
): { desired: Workload; changed: Fields } {
  const { metadata, spec } = workload;
  const annotations = withRecord(template.metadata?.annotations, VERSIONS, notes);
  const desired: Workload = {
    ...workload,
    metadata: { ...metadata, annotations: withRecord(metadata.annotations, FORMER, former) },
    spec: { ...spec, template: { ...template, metadata: { ...template.metadata, annotations } } },
  };
  const ours = [
    fieldAt(["metadata", "annotations", FORMER]),
    fieldAt(["spec", "template", "metadata", "annotations", VERSIONS]),
  ];
  return { desired, changed: [...ours, ...paths].reduce(union) };
}

export function referencesTo({ base }: Pick<Wanted, "base">, references: readonly Reference[]): Reference[] {
  return references.filter(({ secret }) => parseReaderName(base, secret) !== undefined);
}

export function isReader(wanted: Wanted, name: string): boolean {
  return readerCalled(wanted, name) !== undefined;
}

function readerCalled({ readers }: Wanted, name: string | undefined): FoundSecret | undefined {
  return readers.find(({ metadata }) => metadata.name === name);
}

const noted = (note: Note | undefined) => (note === undefined ? {} : { note });

function missingKeys({ to, moved }: Move): string[] {
  return moved.flatMap(({ where, keys }) =>
    keys
      .filter(({ key }) => !to.keys.includes(key))
      .map(
        ({ key, path }) =>
          `its ${where} takes the key "${key}"${path === undefined ? "" : ` for the path "${path}"`} of the Secret "${to.metadata.name}", which has ` +
          `${to.keys.join(", ") || "no key"}. Correct the reference, or the \`format\` of the store`,
      ),
  );
}

function whyUnnamed(workload: Workload, target: readonly Wanted[]): string {
  const names = new Set(findReferences(workload.spec.template.spec).map(({ secret }) => secret));
  const stable = target.find(({ base }) => names.has(base));
  const examples = target.map(({ readers }) => `"${readers[0]?.metadata.name ?? ""}"`).join(" or ");
  const instead = stable
    ? `It names "${stable.base}", which is changed in place: a roll-back would not bring the former value back. `
    : "";
  return (
    `its pod template names no Secret of ${target.map(({ base }) => `"${base}"`).join(" or ")}. ${instead}Name one in it once: ` +
    `${examples} as the secretName of a volume, in envFrom or in a secretKeyRef; from then on this consumer moves it. ` +
    "If the workload reads the secret by itself, say annotationOnly: true, and it is only restarted"
  );
}

function whyPullSecret({ secret }: Reference): string {
  return (
    `its imagePullSecrets name "${secret}". The kubelet takes a Secret of type kubernetes.io/dockerconfigjson there, and ` +
    `the kubernetesSecret store makes none of that type. Take it out`
  );
}
