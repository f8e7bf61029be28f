/**
 * `rotation adopt`: what has to change in a ledger so that it fits the world again (rule 24). Pure: the world is
 * surveyed, and the plan carried out, in provider/rotation/adopt.ts.
 */
import type { AuditEvent } from "./auditEvent";
import type { Entry } from "./decide";
import { StateError } from "./errors";
import { findVersion, isUnfinished, unretired, type LedgerState, type VersionRecord } from "./ledger";
import type { IssuedRef } from "./values";

/** A version that the store or the issuer has, whether the ledger knows it or not. */
export interface FoundVersion {
  readonly rotationId: string;
  /** What the store has; absent where its value is lost. */
  readonly stored?: { readonly version: number; readonly fingerprint: string; readonly issued: IssuedRef };
  /** What the issuer has, by the secret's identity; absent where it lists none. */
  readonly issued?: IssuedRef;
  /** What a log-in with the stored value showed; absent where nobody tried. */
  readonly login?: { readonly works: boolean; readonly detail: string };
}

export interface World {
  /** What the Pulumi state names; `null` where the stack has no entry of the secret yet. */
  readonly entry: Entry | null;
  /** Whom the secret is to belong to. */
  readonly owner: LedgerState["owner"];
  readonly found: readonly FoundVersion[];
  /** The events of the secret's trail that can be relied on. */
  readonly trail: readonly AuditEvent[];
  /** How many of them the ledger does not know. */
  readonly forgottenEvents: number;
}

export interface AdoptionPlan {
  /** Why the ledger is taken for older than the world; empty when it is not. */
  readonly older: readonly string[];
  readonly forgottenEvents: number;
  readonly counters: LedgerState["counters"];
  /** Versions that the ledger does not know. */
  readonly recorded: readonly VersionRecord[];
  /** Versions that the ledger takes for alive, and that are nowhere any more. */
  readonly gone: readonly number[];
  /** Versions that ended according to the ledger, and that the issuer still has. */
  readonly undead: readonly number[];
  /** The version that is active afterwards. */
  readonly active: number | null;
  /** Whether everybody has to be asked again which version they use. */
  readonly forgetsConfirmations: boolean;
  /** A rotation that an older ledger believes to be under way; what has become of its version. */
  readonly dropped: { readonly version: number; readonly exists: boolean } | null;
  /** The new owner; `null` where it stays. */
  readonly owner: LedgerState["owner"] | null;
  /** What adoption cannot put right. */
  readonly warnings: readonly string[];
}

export function changesAnything(plan: AdoptionPlan): boolean {
  const { older, recorded, gone, undead, owner } = plan;
  return owner !== null || [older, recorded, gone, undead].some((list) => list.length > 0);
}

/** @throws StateError when the world is in no state that a ledger could describe; nothing was changed. */
export function planAdoption(ledger: LedgerState, world: World, now: number): AdoptionPlan {
  const older = whyOlder(ledger, world);
  const { recorded, counters } = recordUnknown(ledger, world, now);
  const active = ledger.status === "live" && older.length > 0 ? chooseActive(ledger, recorded, world) : ledger.active;
  const dropped = older.length > 0 && isUnfinished(ledger.rotation) ? ledger.rotation.version : null;
  return {
    older,
    forgottenEvents: world.forgottenEvents,
    counters,
    recorded,
    gone: goneVersions(ledger, world).filter((version) => version !== active),
    undead: ledger.versions.flatMap((record) =>
      record.endedAt !== null && foundOf(world, record)?.issued ? [record.version] : [],
    ),
    active,
    forgetsConfirmations: older.length > 0 || recorded.length > 0,
    dropped:
      dropped === null || dropped === active
        ? null
        : { version: dropped, exists: foundOf(world, findVersion(ledger, dropped)) !== undefined },
    owner: ledger.owner.id === world.owner.id && ledger.owner.stack === world.owner.stack ? null : { ...world.owner },
    warnings: warningsOf(ledger, world, active),
  };
}

function foundOf(world: World, record: Pick<VersionRecord, "rotationId"> | undefined): FoundVersion | undefined {
  return world.found.find((found) => found.rotationId === record?.rotationId);
}

function whyOlder(ledger: LedgerState, { entry, forgottenEvents }: World): string[] {
  const { version, incarnation, epoch } = ledger.counters;
  const why: string[] = [];
  if (entry && (entry.version > version || entry.incarnation > incarnation || entry.epoch > epoch))
    why.push(
      `it counts v${version}, incarnation ${incarnation}, epoch ${epoch}; the Pulumi state names v${entry.version}, ` +
        `incarnation ${entry.incarnation}, epoch ${entry.epoch}`,
    );
  if (forgottenEvents > 0) why.push(`the audit trail has ${forgottenEvents} events that it has forgotten`);
  return why;
}

function recordUnknown(
  ledger: LedgerState,
  world: World,
  now: number,
): { recorded: VersionRecord[]; counters: LedgerState["counters"] } {
  const { entry, trail } = world;
  const known = new Set(ledger.versions.map((record) => record.rotationId));
  const unknown = world.found.filter((found) => !known.has(found.rotationId));
  const taken = new Set(ledger.versions.map((record) => record.version));
  const counters = { ...ledger.counters };
  // No number is given twice: not one that the state, the trail or a store has seen.
  counters.version = Math.max(
    counters.version,
    entry?.version ?? 0,
    ...trail.map((event) => event.version ?? 0),
    ...unknown.map((found) => found.stored?.version ?? 0),
  );
  counters.incarnation = Math.max(counters.incarnation, entry?.incarnation ?? 0);
  counters.epoch = Math.max(counters.epoch, entry?.epoch ?? 0);
  // Stored versions first: their number is their name in the store.
  const ordered = [...unknown].sort((a, b) => Number(b.stored !== undefined) - Number(a.stored !== undefined));
  const recorded = ordered.map((found) => {
    const told = found.stored?.version ?? versionInTrail(found, trail);
    if (found.stored && taken.has(found.stored.version)) throw sameNumberTwice(ledger, found.stored.version);
    const version = told !== undefined && !taken.has(told) ? told : ++counters.version;
    taken.add(version);
    return newRecord(found, version, trail, now);
  });
  return { recorded: recorded.sort((a, b) => a.version - b.version), counters };
}

function sameNumberTwice(ledger: LedgerState, version: number): StateError {
  return new StateError(
    `${ledger.secret}: the store has another v${version} than the one that the ledger knows, so they cannot both be ` +
      `recorded. Nothing was changed. Restore ledger and versions of the store from the same backup.`,
  );
}

function eventsOf(found: FoundVersion, trail: readonly AuditEvent[]): AuditEvent[] {
  const ref = Object.entries(found.issued ?? found.stored?.issued ?? {});
  if (ref.length === 0) return [];
  return trail.filter((event) => event.version !== null && ref.every(([key, value]) => event.detail[key] === value));
}

/** The issuer names no version numbers; the trail tells for which one it was made. */
function versionInTrail(found: FoundVersion, trail: readonly AuditEvent[]): number | undefined {
  return eventsOf(found, trail)[0]?.version ?? undefined;
}

function newRecord(found: FoundVersion, version: number, trail: readonly AuditEvent[], now: number): VersionRecord {
  const issuedEvent = eventsOf(found, trail).find((event) => event.step === "issued" && event.version === version);
  const issuedAt = issuedEvent ? Date.parse(issuedEvent.time) : null;
  return {
    version,
    rotationId: found.rotationId,
    state: "superseded",
    reason: { code: "adoption", message: "found by rotation adopt" },
    inputsDigest: null,
    adopted: false,
    proposedAt: issuedAt ?? now,
    // What nobody has at the issuer any more needs no step there.
    issued: found.issued ?? (found.login?.works ? (found.stored?.issued ?? null) : null),
    // Not "now" where it is unknown: an event of before would count as answered (rule 16).
    issuedAt,
    expiresAt: null,
    fingerprint: found.stored?.fingerprint ?? null,
    leftAt: now,
    supersededAt: now,
    rejected: false,
    disabledAt: null,
    putOff: null,
    alarmedAt: null,
    proof: null,
    endedAt: null,
  };
}

/** The one that the Pulumi state names, else the ledger's; in either case only if a log-in with it works. */
function chooseActive(ledger: LedgerState, recorded: readonly VersionRecord[], world: World): number {
  const candidates = [world.entry?.version, ledger.active].filter(
    (version) => version !== undefined && version !== null,
  );
  const records = [...ledger.versions.filter((record) => record.endedAt === null), ...recorded];
  const tried = [...new Set(candidates)].map((version) => {
    const record = records.find((one) => one.version === version && one.state !== "retiring");
    return { version, login: foundOf(world, record)?.login };
  });
  const chosen = tried.find(({ login }) => login?.works);
  if (chosen) return chosen.version;
  const others = records.filter((record) => foundOf(world, record)?.login?.works).map((record) => `v${record.version}`);
  throw new StateError(
    `${ledger.secret}: no version can be taken for the active one: ` +
      `${tried.map(({ version, login }) => `v${version}: ${login?.detail ?? "its value is not in the store"}`).join("; ") || "none is named"}. ` +
      (others.length > 0 ? `${others.join(", ")} would work, but nothing says that it should be used. ` : "") +
      `Nothing was changed. Restore a newer backup of the store, one with the value of that version, or make the ` +
      `version work again at its issuer, and say this again. If the value is lost: declare a new secret with a store of ` +
      `its own, roll the consumers to it, then take this one out with pulumi state delete and remove its credentials ` +
      `at the issuer by hand.`,
  );
}

/** Neither listed by the issuer nor accepted by it. An adopted credential is never listed, so its absence says nothing. */
function goneVersions(ledger: LedgerState, world: World): number[] {
  const former = ledger.versions.filter((record) => record.version === ledger.active);
  return [...unretired(ledger), ...former]
    .filter((record) => record.issued !== null && !record.adopted && record.state !== "retiring")
    .filter((record) => {
      const found = foundOf(world, record);
      return !found?.issued && !found?.login?.works;
    })
    .map((record) => record.version);
}

function warningsOf(ledger: LedgerState, world: World, active: number | null): string[] {
  const login = foundOf(world, active === null ? undefined : findVersion(ledger, active))?.login;
  if (ledger.status !== "live" || active !== ledger.active || active === null || login?.works) return [];
  if (isUnfinished(ledger.rotation)) return [];
  return [
    `v${active} is active and does not work (${login?.detail ?? "its value is not in the store"}); adoption cannot mend ` +
      `that. Make it work again at its issuer, or restore its value in the store.`,
  ];
}

/** What would be done, for the person who has to agree. */
export function describeAdoption(ledger: LedgerState, plan: AdoptionPlan): string[] {
  const lines: string[] = [];
  if (plan.owner && plan.owner.id === ledger.owner.id)
    lines.push(`its owner is called ${ledger.owner.stack} in the ledger, and is recorded as ${plan.owner.stack}`);
  else if (plan.owner)
    lines.push(
      `it belongs to stack ${ledger.owner.stack} now and is handed over to ${plan.owner.stack}; the former owner then ` +
        `neither rotates it nor tears it down`,
    );
  lines.push(...plan.older.map((why) => `the ledger is older than the world: ${why}`));
  if (plan.forgottenEvents > 0) lines.push("the audit trail goes on after its last event");
  for (const record of plan.recorded)
    lines.push(
      `v${record.version} is not in the ledger and is recorded as superseded (${describeRef(record.issued)}, ` +
        `${record.fingerprint === null ? "its value is not in the store" : "its value is in the store"})`,
    );
  if (plan.dropped)
    lines.push(
      `the rotation of v${plan.dropped.version}, which the ledger takes for unfinished, is dropped; v${plan.dropped.version} ` +
        `is recorded as ${plan.dropped.exists ? "superseded" : "abandoned"}`,
    );
  for (const version of plan.gone)
    lines.push(`v${version} is nowhere at the issuer any more; the next runs delete what is left of it`);
  for (const version of plan.undead)
    lines.push(`v${version} should be dead and the issuer still has it; the next run revokes it again`);
  if (plan.active !== ledger.active)
    lines.push(
      `v${plan.active} becomes the active version${ledger.active === null ? "" : ` in place of v${ledger.active}`}, and ` +
        `readers of "current" get it`,
    );
  if (plan.forgetsConfirmations) lines.push("every rollout has to confirm again before anything is retired");
  const live = liveAfterwards(ledger, plan);
  if (live.length > 2 && plan.recorded.length > 0)
    lines.push(
      `${live.length} versions are live then: ${live.map((v) => `v${v}`).join(", ")}; none is retired by this`,
    );
  return lines;
}

export function describeRef(ref: IssuedRef | null): string {
  return ref === null ? "not at the issuer" : Object.values(ref)[0] || "at the issuer";
}

function liveAfterwards(ledger: LedgerState, plan: AdoptionPlan): number[] {
  const known = ledger.versions.filter((record) => record.endedAt === null && !plan.gone.includes(record.version));
  return [...known, ...plan.recorded.filter((record) => record.issued !== null)].map((record) => record.version);
}
