/** Deletes a version for good. Its metadata go last, so that a retirement that was stopped can be called again. */
import type { VersionRef } from "../../contracts/store";
import { currentOf, renderedBytes } from "./holders";
import { readWith, type Parts } from "./labels";
import { find, holderOf } from "./record";
import { isSameRef } from "../../lifecycle/values";

export async function retire(parts: Parts, ref: VersionRef): Promise<"done" | "current"> {
  const { companion, native, holders, location, context } = parts;
  const rotation = await readWith(companion, ref);
  if (find(rotation, ref) === undefined) return "done";
  const newest = await native.newest(rotation.accountedFor ?? 0);
  if (isSameRef(currentOf(rotation, newest), ref)) return "current";
  // A promotion that was stopped before it was recorded: readers get it all the same.
  const isRecorded = newest.data === undefined || holderOf(rotation, newest.number) !== undefined;
  const stored = isRecorded ? undefined : await holders.read(ref);
  if (stored !== undefined && newest.data?.equals(renderedBytes(stored, parts.format)) === true) return "current";

  const known = await holders.account(rotation, newest.number);
  const kept = find(known, ref);
  if (kept === undefined) return "done";
  for (const { number, scheduledAt } of await native.destroy(kept.native))
    context.log.info(
      `${location}: version ${ref.version} is retired; version ${number} of the secret ${native.id}, which holds it, is ` +
        `disabled and will be destroyed on ${new Date(scheduledAt ?? 0).toISOString()} (version_destroy_ttl)`,
    );
  await companion.destroy(kept.document);
  await companion.change((now) => {
    if (find(now, ref) === undefined) return undefined;
    return { ...now, versions: now.versions.filter((other) => !isSameRef(other.ref, ref)) };
  });
  return "done";
}
