/** Which version the pods of a workload use, by what the API server says of them. Pure. */
import type { Adoption } from "../../contracts/consumer";
import { notesIn } from "./notes";
import { isNoted, isReader } from "./plan";
import { namesOf } from "./pods";
import type { Wanted } from "./readers";
import { describeWorkload, isFinished, type Pod, type Workload } from "./workload";

const MAX_NAMED = 5;

export interface Seen extends Adoption {
  /** It is not even told to use the target, so that waiting alone brings nothing. */
  readonly isElsewhere?: true;
}

export function adoptionOf(
  workload: Workload,
  pods: readonly Pod[],
  target: readonly Wanted[],
  annotationOnly: boolean,
): Seen {
  const who = describeWorkload(workload);
  const { template } = workload.spec;
  const stale = (of: Pick<Pod, "spec" | "metadata"> | Workload["spec"]["template"]) =>
    annotationOnly ? staleNotes(of.metadata?.annotations, target) : staleNames(of.spec, template.spec, target);
  const unset = stale(template);
  if (unset.length > 0)
    return { adopted: false, isElsewhere: true, detail: `${who}: its pod template names ${unset.join(", ")}` };
  // One that is ending may still use what it has read.
  const running = pods.filter((pod) => !isFinished(pod));
  const others = running.flatMap((pod) => {
    const names = stale(pod);
    const ending = pod.metadata.deletionTimestamp === undefined ? "" : " and is ending";
    return names.length === 0 ? [] : [`pod ${pod.metadata.name} names ${names.join(", ")}${ending}`];
  });
  if (others.length > 0) {
    const more = others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more pods` : "";
    return { adopted: false, detail: `${who}: ${others.slice(0, MAX_NAMED).join("; ")}${more}` };
  }
  const used = target
    .filter((wanted) => annotationOnly || namesOf(template.spec, wanted).length > 0)
    .map((wanted) =>
      annotationOnly ? `v${wanted.version} of "${wanted.secret}"` : namesOf(template.spec, wanted).join(", "),
    );
  const count = running.length === 1 ? "its only pod" : `all ${running.length} pods`;
  const whose = running.length === 0 ? "it has no pod, its template" : count;
  return { adopted: true, detail: `${who}: ${whose} ${running.length > 1 ? "name" : "names"} ${used.join(", ")}` };
}

/** Of each secret that the workload uses: what is named that is not the target. */
function staleNames(spec: Pod["spec"], template: Pod["spec"], target: readonly Wanted[]): string[] {
  return target.flatMap((wanted) => {
    if (namesOf(template, wanted).length === 0) return [];
    const names = namesOf(spec, wanted);
    return names.length === 0 ? [`no Secret of "${wanted.base}"`] : names.filter((name) => !isReader(wanted, name));
  });
}

function staleNotes(annotations: Readonly<Record<string, string>> | undefined, target: readonly Wanted[]): string[] {
  const notes = notesIn(annotations);
  return target
    .filter((wanted) => !isNoted(notes, wanted))
    .map(({ secret }) => (notes[secret] ? `v${notes[secret].version} of "${secret}"` : `no version of "${secret}"`));
}
