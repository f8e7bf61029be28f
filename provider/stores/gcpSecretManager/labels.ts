/** What moves the native "current": promotion, and taking it away. */
import { notStored, otherCurrent, staleRevision } from "../../contracts/refusals";
import type { Revision, VersionRef } from "../../contracts/store";
import type { AdapterContext } from "../../contracts/context";
import { isSameRef } from "../../lifecycle/values";
import type { Companion } from "./companion";
import { currentOf, renderedBytes, withNative, type Holders } from "./holders";
import type { Native, Newest } from "./native";
import { changed, find, holderOf, type Kept, type Rotation } from "./record";
import type { PayloadFormat } from "../../lifecycle/payload";

export interface Parts {
  readonly location: string;
  readonly format: PayloadFormat | undefined;
  readonly companion: Companion;
  readonly native: Native;
  readonly holders: Holders;
  readonly context: AdapterContext;
}

/** @throws ConflictError */
export function checkRevision(rotation: Rotation, expected: Revision, location: string): void {
  if (String(rotation.ledger) === expected) return;
  throw staleRevision(location, expected, String(rotation.ledger));
}

/** The metadata; that `ref` is not in them is made certain. */
export async function readWith(companion: Companion, ref: VersionRef): Promise<Rotation> {
  const rotation = await companion.read();
  return find(rotation, ref) === undefined ? companion.confirmed() : rotation;
}

/**
 * Order: the intent, which only succeeds while the ledger is at `fence`; the native version; its alias; the record of
 * what it holds. Stopped in between and called again, it goes on with the native version that is there.
 */
export async function promote(parts: Parts, ref: VersionRef, expected: VersionRef | null, fence: Revision) {
  const { companion, native, holders, location } = parts;
  const rotation = await readWith(companion, ref);
  checkRevision(rotation, fence, location);
  const kept = find(rotation, ref);
  const stored = kept && (await holders.read(ref));
  if (stored === undefined) throw notStored(location, ref);
  const payload = renderedBytes(stored, parts.format);
  const newest = await native.newest(rotation.accountedFor ?? 0);
  const current = currentOf(rotation, newest);
  const isPayload = newest.data?.equals(payload) === true;
  if (isSameRef(current, ref) && isPayload) {
    await native.label(newest.number);
    return giveBack(parts, kept, newest.number);
  }
  // Added by a run that was stopped before it was recorded; then what it expected is what was current before.
  const isUnrecorded = isPayload && holderOf(rotation, newest.number) === undefined;
  if (!isUnrecorded && !isSameRef(current, ref) && !isSameRef(current, expected))
    throw otherCurrent(location, current, expected, "nothing that this package put there");

  await companion.change((now) => {
    checkRevision(now, fence, location);
    if (find(now, ref) === undefined) throw notStored(location, ref);
    const intent = `promote version ${ref.version} (${ref.token})`;
    return { ...now, accountedFor: now.accountedFor ?? newest.number, intent };
  });
  const number = isUnrecorded ? newest.number : await native.add(payload, newest.number);
  await native.label(number);
  // Numbers that begin again are those of a native secret that was deleted and made anew: nothing holds for it.
  const isNewSecret = number < newest.number;
  const missing = isNewSecret ? undefined : await holders.account(await companion.read(), number);
  const recorded = await companion.change((now) => {
    const known = isNewSecret ? withoutNatives(now) : merged(now, missing ?? now);
    if (find(known, ref) === undefined) throw notStored(location, ref);
    const accountedFor = isNewSecret ? number : Math.max(known.accountedFor ?? 0, number);
    return { ...withNative(known, ref, number), accountedFor, intent: undefined };
  });
  await giveBack(parts, find(recorded, ref), number);
}

/** Where it was disabled, who reads it by an earlier number gets it back, too. */
async function giveBack({ native }: Parts, kept: Kept | undefined, newest: number): Promise<void> {
  await native.enable((kept?.native ?? []).filter((number) => number !== newest));
}

/** Order: the intent, as above; the alias; the newest native version, so that `latest` gives nothing; the record. */
export async function clearCurrent(parts: Parts, fence: Revision): Promise<void> {
  const { companion, native, holders, location, context } = parts;
  const rotation = await companion.read();
  checkRevision(rotation, fence, location);
  const newest = await native.newest(rotation.accountedFor ?? 0);
  if (rotation.changes === 0) return; // Nothing of ours was ever here.
  if (newest.data === undefined && rotation.intent === undefined) return native.label();

  await companion.change((now) => {
    checkRevision(now, fence, location);
    return { ...now, accountedFor: now.accountedFor ?? newest.number, intent: "take current away" };
  });
  await native.label();
  const known = await holders.account(await companion.read(), newest.number);
  if (newest.data !== undefined) await takeAway(parts, known, newest);
  await companion.change((now) => ({
    ...without(merged(now, known), newest.number),
    accountedFor: Math.max(now.accountedFor ?? 0, newest.number),
    intent: undefined,
  }));
  context.log.info(`${location}: readers of "latest" and of the alias "current" get nothing any more`);
}

async function takeAway(parts: Parts, rotation: Rotation, newest: Newest): Promise<void> {
  if (holderOf(rotation, newest.number) !== undefined) {
    await parts.native.destroy([newest.number]);
    return;
  }
  await parts.native.disable([newest.number]);
  parts.context.log.warn(
    `${parts.location}: version ${newest.number} of the secret ${parts.native.id} was added by somebody else; it was ` +
      "disabled, so that readers of the secret get nothing, and not destroyed",
  );
}

/** Takes over which native versions hold what, for those that are still stored. */
function merged(rotation: Rotation, other: Rotation): Rotation {
  const numbers = other.versions.flatMap(({ ref, native }) => native.map((number) => ({ ref, number })));
  return numbers.reduce(
    (known, { ref, number }) => (holderOf(known, number) === undefined ? withNative(known, ref, number) : known),
    rotation,
  );
}

function without(rotation: Rotation, number: number): Rotation {
  const holder = holderOf(rotation, number);
  if (holder === undefined) return rotation;
  const change = (kept: typeof holder) => ({ ...kept, native: kept.native.filter((other) => other !== number) });
  return changed(rotation, holder.ref, change) ?? rotation;
}

function withoutNatives(rotation: Rotation): Rotation {
  return { ...rotation, versions: rotation.versions.map((kept) => ({ ...kept, native: [] })) };
}
