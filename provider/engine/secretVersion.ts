/** The engine's calls on a `SecretVersion`: inputs in, decisions and outputs out. */
import { describeWaiting } from "../lifecycle/auditOutage";
import { decide, isReplacing, type Decision, type Entry, type Situation } from "../lifecycle/decide";
import { findingIn, withFinding } from "../lifecycle/drift";
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../lifecycle/errors";
import type { Declaration, LedgerState } from "../lifecycle/ledger";
import { referenceTo } from "../lifecycle/reference";
import type { Parts } from "../rotation/session";
import { checkAdapter, significantOptions } from "../adapters";
import { containsUnknown, durationMs, failuresOf, type AdapterOptions, type CheckFailure } from "../inputs/common";
import {
  decodeState,
  secretVersionEntry,
  secretVersionInputs,
  type SecretVersionEntry,
  type SecretVersionInputs,
} from "../inputs/secretVersion";
import * as registry from "../registry";
import { compileSchedule, isPlain, shortestInterval } from "../triggers/compile";
import { compromisedBefore, revokeFirstBefore, type DueVerdict } from "../triggers/due";
import { describeInstant } from "../triggers/instant";
import { digestOf, randomId } from "../rotation/fingerprint";
import {
  assertNotOlder,
  createVersion,
  deleteVersion,
  isForced,
  situationOf,
  updateVersion,
  type DeclaredSecret,
  type VersionFacts,
} from "../rotation/secretVersion";
import { findDrift } from "../rotation/drift";
import { migrate } from "../rotation/migrate";
import type { Runtime } from "../runtime";
import { isSamePlace, withoutProvider, type Properties } from "./properties";
import { RunMemory, type Seen } from "./runMemory";

export function secretVersionProvider(runtime: Runtime) {
  const memory = new RunMemory();

  async function check(olds: Properties | undefined, news: Properties) {
    const inputs = withoutProvider(news);
    const old = olds && typeof olds["rotation"] === "string" ? withoutProvider(olds) : undefined;
    // In a preview a value may not be known yet. Nothing can be said then, and nothing is.
    if (containsUnknown(inputs)) return { inputs: { ...inputs, ...kept(old) } };
    const parsed = secretVersionInputs.safeParse(inputs);
    if (!parsed.success) return { inputs, failures: failuresOf(parsed.error) };
    const failures = await checkAdapters(parsed.data);
    if (failures.length === 0 && old) failures.push(...(await refusedChanges(runtime, old, parsed.data)));
    if (failures.length > 0) return { inputs, failures };
    try {
      return { inputs: { ...inputs, ...(await decideInCheck(parsed.data, old)) } };
    } catch (error) {
      if (error instanceof RotationError) return { inputs, failures: [{ property: "store", reason: error.message }] };
      throw error;
    }
  }

  async function decideInCheck(inputs: SecretVersionInputs, old: Properties | undefined) {
    const store = await runtime.store(inputs.store);
    const seen = memory.of(store.location);
    declare(seen, inputs, store.location);
    const ledger = await runtime.ledgerOf(inputs);
    // Where the entry does not tell (a forced replacement), a secret that is being moved keeps its ids.
    const known = ledger ?? (inputs.migrateFrom ? await runtime.ledgerOf({ store: inputs.migrateFrom }) : null);
    const ids = identify(seen, inputs, old, known);
    if (old && isMigration(old, inputs))
      return { rotation: `${String(old["rotation"]).split(":")[0]}: moves to ${store.location}`, ...ids };
    const shown = old ? entryShown(old, ledger) : null;
    assertOurs(inputs, ledger, old, ids);
    const secret = await declared(runtime, { ...inputs, ...ids });
    const situation = situationOf(
      secret,
      ledger,
      shown,
      old === undefined && isForced(ledger, null),
      runtime.context.clock.now(),
    );
    const decision = decide(situation);
    const text = isReplacing(decision) ? decision.text : old ? String(old["rotation"]) : describeUnchanged(ledger);
    // The engine checks a replacement twice; it has to read the same both times.
    if (old || seen.rotation === undefined) seen.rotation = text;
    return { rotation: seen.rotation, ...ids };
  }

  function declare(seen: Seen, inputs: SecretVersionInputs, location: string): void {
    if (seen.declaredAs !== undefined && seen.declaredAs !== inputs.name)
      throw new ConfigurationError(
        `${location} is the store of both ${seen.declaredAs} and ${inputs.name}; each secret needs a path of its own. Nothing was changed.`,
      );
    seen.declaredAs = inputs.name;
    seen.checked = true;
  }

  async function diff(_id: string, olds: Properties, news: Properties) {
    if (containsUnknown(withoutProvider(news))) return { changes: true };
    const inputs = secretVersionInputs.parse(withoutProvider(news));
    const entry = entryOf(olds);
    const store = await runtime.store(inputs.store);
    const { ledger, current } = await runtime.look(inputs);
    const seen = memory.of(store.location);
    seen.entry = entry;
    if (isMigration(olds, inputs)) {
      runtime.context.log.info(`${inputs.name}: moves to ${store.location}`);
      return { changes: true, replaces: ["store"] };
    }
    // Rule 24. Only the entry counts: the text of an input says what was intended.
    if (ledger?.status === "live" && entry) assertNotOlder(ledger, entry);
    const secret = await declared(runtime, inputs);
    const finding = findingIn(olds["rotation"]);
    const situation = situationOf(secret, ledger, entry, false, runtime.context.clock.now(), { finding, current });
    const decision = decide(situation);
    // Only here is known what a refresh has found: the engine checks once more before it replaces.
    if (isReplacing(decision)) seen.rotation = decision.text;
    say(inputs.name, decision, situation);
    if (isReplacing(decision)) return { changes: true, replaces: ["rotation"] };
    const unwritten = sayUnwritten(inputs.name, ledger);
    return { changes: unwritten || decision.action === "update" || olds["inputsDigest"] !== digestOfInputs(news) };
  }

  function say(name: string, decision: Decision, { waiting, nextAt, why, ledger }: Situation & DueVerdict): void {
    if (isReplacing(decision)) runtime.context.log.info(`${name}: ${decision.text}`);
    else if (decision.action === "update") runtime.context.log.info(`${name}: to do: ${decision.why.join("; ")}`);
    const held = ("waiting" in decision && decision.waiting) || waiting;
    if (held) runtime.context.log.info(`${name}: ${held}`);
    else if (!isReplacing(decision) && nextAt !== null && why !== undefined)
      runtime.context.log.info(`${name}: v${ledger?.active}, next rotation ${describeInstant(nextAt)} (${why})`);
  }

  /**
   * For a refresh: looks whether the version still works, and changes nothing. It never says that the resource is gone:
   * the engine would forget the entry, and with it the secret.
   */
  async function read(id: string, olds: Properties) {
    const unchanged = { id, props: olds };
    const parsed = secretVersionEntry.safeParse(decodeState(olds));
    if (!parsed.success) return unchanged;
    const entry = parsed.data;
    const ledger = await runtime.ledgerOf(entry);
    // Another version's entry, such as one that is to be deleted, is the business of the active one's.
    if (!ledger || ledger.identity !== entry.identity || ledger.active !== entry.version) return unchanged;
    const parts = await runtime.parts({ name: entry.name, store: entry.store, ...ledger.declared }, entry.stack);
    try {
      const { finding, notes } = await findDrift(parts, ledger);
      for (const note of notes) runtime.context.log.warn(`${entry.name}: ${note}.`);
      if (finding)
        runtime.context.log.warn(
          `${entry.name}: v${entry.version}: ${finding.detail}. The next pulumi up ` +
            `${finding.kind === "drift" ? "replaces it" : "puts it right"}.`,
        );
      return { id, props: { ...olds, rotation: withFinding(String(olds["rotation"]), finding) } };
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      runtime.context.log.warn(`${entry.name}: whether v${entry.version} still works cannot be told: ${error.message}`);
      return unchanged;
    }
  }

  /** Events that the trail does not have yet are written by an update, also where there is nothing else to do. */
  function sayUnwritten(name: string, ledger: LedgerState | null): boolean {
    const waiting = ledger?.outbox.length ?? 0;
    if (waiting > 0) runtime.context.log.info(`${name}: to do: ${describeWaiting(waiting)} for the audit trail`);
    return waiting > 0;
  }

  async function create(news: Properties) {
    const inputs = secretVersionInputs.parse(withoutProvider(news));
    const store = await runtime.store(inputs.store);
    const seen = memory.of(store.location);
    seen.created = true;
    const entry = seen.entry;
    seen.entry = null;
    const secret = await declared(runtime, inputs);
    if (inputs.migrateFrom)
      await migrate(
        secret.parts,
        await runtime.parts({ ...inputs, store: inputs.migrateFrom }, inputs.stack),
        inputs.migrateFrom,
      );
    const facts = await createVersion(secret, entry);
    runtime.context.log.info(`${inputs.name}: v${facts.version} is current (${describeIssued(facts)})`);
    return { id: `${inputs.name}/v${facts.version}#${facts.incarnation}`, outs: outputsOf(news, facts) };
  }

  async function update(_id: string, olds: Properties, news: Properties) {
    const inputs = secretVersionInputs.parse(withoutProvider(news));
    const { facts, outcomes } = await updateVersion(await declared(runtime, inputs), requireEntry(olds));
    for (const { message } of outcomes) runtime.context.log.info(`${inputs.name}: ${message}`);
    return { outs: outputsOf(news, facts) };
  }

  /** The entry names the secret; what it is made of the ledger tells. */
  async function remove(_id: string, olds: Properties) {
    const entry = secretVersionEntry.parse(decodeState(olds));
    const ledger = await runtime.ledgerOf(entry);
    // Rule 24: a teardown leaves a tombstone, so nothing at all means that the store was lost.
    if (!ledger)
      throw new StateError(
        `${entry.name}: the Pulumi state names v${entry.version}, but the store has no ledger; what is live at the issuer ` +
          `cannot be told. Nothing was changed. Restore the store. If it is gone for good, remove what is left at the ` +
          `issuer by hand, and say: pulumi state delete, for this resource.`,
      );
    const store = await runtime.store(entry.store);
    const { checked, created } = memory.of(store.location);
    Object.assign(memory.of(store.location), { removed: true, identity: entry.identity });
    if (!checked && !created) assertMayBeTornDown(entry, ledger);
    // Whose secret it no longer is has nothing to finish.
    const isOurs = ledger.identity === entry.identity && ledger.owner.id === entry.owner;
    if (ledger.status === "moved" && isOurs && !checked && !created)
      assertMoveIsOver(entry.name, ledger, store.location);
    const parts = await runtime.parts({ name: entry.name, store: entry.store, ...ledger.declared }, entry.stack);
    const secret = declaredInLedger(parts, entry, ledger);
    const { outcome, message } = await deleteVersion(secret, entry, checked || created);
    if (outcome !== "nothing") runtime.context.log.info(`${entry.name}: ${message}`);
  }

  /** A move that was interrupted has left the entry behind: with it the only way to the new store would go. */
  function assertMoveIsOver(name: string, ledger: LedgerState, former: string): void {
    if (memory.hasElsewhere(ledger.identity, former)) return;
    throw new StateError(
      `${name}: its move to ${ledger.movedTo ?? "another store"} was interrupted, and the state still names the former ` +
        `store. Nothing was changed. Run pulumi up, which finishes the move, and then this again.`,
    );
  }

  return { check, diff, read, create, update, delete: remove };
}

/** What another stack owns is not torn down, only forgotten, so there is nothing to refuse. */
function assertMayBeTornDown(entry: SecretVersionEntry, ledger: LedgerState): void {
  if (ledger.status !== "live" || ledger.identity !== entry.identity || ledger.owner.id !== entry.owner) return;
  if (ledger.declared.protect)
    throw new StateError(
      `${entry.name}: it is protected, so it is not torn down. Nothing was changed. If it is to go, take \`protect\` out ` +
        `of the program, run pulumi up, and then this again.`,
    );
  if (ledger.owner.stack !== entry.stack)
    throw new StateError(
      `${entry.name}: this entry was written by stack ${entry.stack}, and the secret belongs to ${ledger.owner.stack} ` +
        `now. Nothing was changed. If this stack was renamed, run pulumi up, and then this again. If the other stack ` +
        `really is another one, only take the entry out here: pulumi state delete, for this resource.`,
    );
}

/** What only the state knows. */
function entryOf(olds: Properties): Entry | null {
  const parsed = secretVersionEntry.safeParse(decodeState(olds));
  return parsed.success ? parsed.data : null;
}

function requireEntry(olds: Properties): Entry {
  const entry = entryOf(olds);
  if (!entry) throw new StateError("The entry in the Pulumi state names no version. Nothing was changed.");
  return entry;
}

/** Only what `diff()` and `delete()` need, and what programs follow: the engine keeps the inputs beside it. */
function outputsOf(news: Properties, facts: VersionFacts): Properties {
  const { name, stack, store, identity, owner, rotation } = news;
  return {
    name,
    stack,
    store,
    identity,
    owner,
    rotation,
    inputsDigest: digestOfInputs(news),
    version: facts.version,
    incarnation: facts.incarnation,
    epoch: facts.epoch,
    ref: referenceTo(String(name), facts),
    fingerprint: facts.fingerprint,
    issued: facts.issued,
    ...(facts.next && { nextRotationAt: describeInstant(facts.next.at), nextRotationWhy: facts.next.why }),
  };
}

function describeIssued(facts: VersionFacts): string {
  return Object.values(facts.issued)[0] ?? facts.fingerprint;
}

function kept(old: Properties | undefined): Properties {
  return old ? { rotation: old["rotation"], identity: old["identity"], owner: old["owner"] } : {};
}

function digestOfInputs(news: Properties): string {
  return digestOf({ ...withoutProvider(news), rotation: null });
}

/** `check()` gets old inputs, which name the version only in their text; `diff()` sees the rest. */
function entryShown(old: Properties, ledger: LedgerState | null): Entry | null {
  const version = Number(/^v(\d+)/.exec(String(old["rotation"]))?.[1] ?? 0);
  if (!ledger) return null;
  const { incarnation, epoch } = ledger.counters;
  const made = ledger.active === version || ledger.versions.some((record) => record.version === version);
  return { version: made ? version : (ledger.active ?? 0), incarnation, epoch };
}

function describeUnchanged(ledger: LedgerState | null): string {
  return `v${ledger?.active ?? 1}`;
}

function identify(seen: Seen, inputs: SecretVersionInputs, old: Properties | undefined, ledger: LedgerState | null) {
  const live = ledger !== null && ledger.status !== "torn-down" && ledger.owner.stack === inputs.stack ? ledger : null;
  seen.identity = (old?.["identity"] as string | undefined) ?? live?.identity ?? seen.identity ?? randomId();
  seen.owner = (old?.["owner"] as string | undefined) ?? live?.owner.id ?? seen.owner ?? randomId();
  return { identity: seen.identity, owner: seen.owner };
}

/** Rules 19 and 24, as far as one read of the ledger tells. */
function assertOurs(
  inputs: SecretVersionInputs,
  ledger: LedgerState | null,
  old: Properties | undefined,
  ids: { identity: string; owner: string },
): void {
  if (ledger === null || ledger.status === "torn-down") {
    if (old && ledger === null)
      throw new StateError(
        `${inputs.name}: the Pulumi state names a version, but the store has no ledger. It was removed, or restored from ` +
          `before the secret was made. Nothing was changed. Restore the store; or, if the secret is to start anew, say: ` +
          `pulumi state delete, for this resource.`,
      );
    return;
  }
  if (ledger.status === "moved")
    throw new StateError(
      `${inputs.name}: it was moved to ${ledger.movedTo ?? "another store"}. Nothing was changed. Name that store instead.`,
    );
  if (old && ledger.owner.id === ids.owner && ledger.owner.stack !== inputs.stack)
    throw new StateError(
      `${inputs.name}: its owner is called ${ledger.owner.stack} in the ledger, and this stack is ${inputs.stack}. Nothing ` +
        `was changed. If the stack was renamed, or the entry moved here, say: rotation adopt ${inputs.name} --reason TEXT. ` +
        `If this is a copy of the state of a stack that is still there, take the entry out: pulumi state delete, for ` +
        `this resource.`,
    );
  if (ledger.owner.stack !== inputs.stack || (old && ledger.owner.id !== ids.owner))
    throw new StateError(
      `${inputs.name}: this store belongs to secret ${ledger.secret} of stack ${ledger.owner.stack}. One stack owns a ` +
        `secret. Nothing was changed. Give this one another path; or, if this stack is to own it from now on, say here: ` +
        `rotation adopt ${inputs.name} --reason TEXT`,
    );
  if (old && ledger.identity !== ids.identity)
    throw new StateError(
      `${inputs.name}: the store holds another secret (${ledger.identity}) than the Pulumi state names (${ids.identity}). ` +
        `Nothing was changed. Restore the store, or say: rotation adopt ${inputs.name} --reason TEXT`,
    );
}

async function checkAdapters(inputs: SecretVersionInputs): Promise<CheckFailure[]> {
  const found = await Promise.all([
    checkAdapter(registry.kinds, inputs.kind, "credential kind", ["kind"]),
    checkAdapter(registry.stores, inputs.store, "store", ["store"]),
    ...inputs.replicas.map((replica, index) => checkAdapter(registry.stores, replica, "store", ["replicas", index])),
    ...(inputs.audit ? [checkAdapter(registry.auditSinks, inputs.audit, "audit sink", ["audit"])] : []),
  ]);
  return found.flat();
}

/** Which changes are refused: those that would tear down or strand what exists. */
async function refusedChanges(runtime: Runtime, old: Properties, inputs: SecretVersionInputs): Promise<CheckFailure[]> {
  const failures: CheckFailure[] = [];
  const oldKind = old["kind"] as AdapterOptions;
  const oldStore = old["store"] as AdapterOptions;
  if (oldKind.type !== inputs.kind.type)
    failures.push({
      property: "kind",
      reason: `kind.type: cannot change from ${oldKind.type} to ${inputs.kind.type}. Nothing was changed. Declare a second secret, move the consumers, then remove this one`,
    });
  else {
    const { inputPolicy } = await (registry.kinds[inputs.kind.type] as () => Promise<registry.KindAdapter>)();
    const [before, now] = await Promise.all(
      [oldKind, inputs.kind].map((kind) => significantOptions(registry.kinds, kind, "credential kind")),
    );
    for (const name of changedNames(before ?? {}, now ?? {}))
      if (inputPolicy[name] === "refuse")
        failures.push({
          property: "kind",
          reason: `kind.${name}: cannot change from ${JSON.stringify(oldKind[name])} to ${JSON.stringify(inputs.kind[name])} while the secret lives. Nothing was changed. Declare a second secret, move the consumers, then remove this one`,
        });
  }
  if (digestOf(old["audit"] ?? null) !== digestOf(inputs.audit ?? null))
    failures.push({
      property: "audit",
      reason:
        `audit: cannot change while the secret lives: its trail would be in two pieces. Nothing was changed. Put the ` +
        `former value back (${JSON.stringify(old["audit"] ?? "none")})`,
    });
  const kept = new Set(inputs.replicas.map((replica) => digestOf(replica)));
  for (const replica of (old["replicas"] ?? []) as AdapterOptions[])
    if (!kept.has(digestOf(replica)))
      failures.push({
        property: "replicas",
        reason:
          `replicas: ${JSON.stringify(replica)} cannot be taken away while the secret lives: whoever reads it would keep a ` +
          `version that goes. Nothing was changed. Put it back`,
      });
  if (!isMigration(old, inputs) && !(await isSamePlace(runtime, oldStore, inputs.store)))
    failures.push({
      property: "store",
      reason:
        `store: cannot change from ${JSON.stringify(oldStore)} to ${JSON.stringify(inputs.store)} by itself, the versions ` +
        `would be lost. Nothing was changed. To move the secret, keep the new store and add migrateFrom with the former one`,
    });
  return failures;
}

function changedNames(old: Properties, now: Properties): string[] {
  const names = new Set([...Object.keys(old), ...Object.keys(now)]);
  return [...names].filter((name) => digestOf(old[name] ?? null) !== digestOf(now[name] ?? null));
}

function isMigration(olds: Properties, inputs: SecretVersionInputs): boolean {
  return (
    inputs.migrateFrom !== undefined &&
    digestOf(olds["store"]) === digestOf(inputs.migrateFrom) &&
    digestOf(inputs.store) !== digestOf(inputs.migrateFrom)
  );
}

/** The secret as declared, with its adapters. */
export async function declared(runtime: Runtime, inputs: SecretVersionInputs): Promise<DeclaredSecret> {
  const parts = await runtime.parts(inputs, inputs.stack);
  const { inputPolicy } = await (registry.kinds[inputs.kind.type] as () => Promise<registry.KindAdapter>)();
  const issuedFrom = Object.fromEntries(
    Object.entries(await significantOptions(registry.kinds, inputs.kind, "credential kind")).filter(
      ([name]) => inputPolicy[name] !== "in-place" && inputPolicy[name] !== "refuse",
    ),
  );
  const events = inputs.events.map((event) => ({
    id: event.id,
    reason: event.reason,
    at: Date.parse(event.time),
    ...(event.requestedBy ? { requestedBy: event.requestedBy } : {}),
    revokeFirst: event.revokeFirst,
  }));
  const schedule = inputs.schedule && compileSchedule(inputs.schedule);
  const declaration: Declaration = {
    kind: inputs.kind,
    replicas: inputs.replicas,
    audit: inputs.audit ?? null,
    ...(inputs.auditOutage === "stop" ? {} : { auditOutage: inputs.auditOutage }),
    everyMs: schedule ? shortestInterval(schedule) : null,
    ...(inputs.schedule && !isPlain(inputs.schedule) ? { schedule: inputs.schedule } : {}),
    graceMs: durationMs(inputs.retirement.grace),
    soakMs: durationMs(inputs.retirement.soak),
    requireUnused: inputs.retirement.requireUnused,
    terminateSessions: inputs.retirement.terminateSessions,
    alarmAfterMs: inputs.retirement.alarmAfter === undefined ? null : durationMs(inputs.retirement.alarmAfter),
    compromisedBefore: compromisedBefore(events),
    revokeFirstBefore: revokeFirstBefore(events),
    ...(inputs.protect ? { protect: true } : {}),
  };
  const { adopt } = inputs;
  const adoptFrom = parts.kind.adopt?.bind(parts.kind);
  if (adopt && !adoptFrom)
    throw new ConfigurationError(`${inputs.name}: credentials of kind ${inputs.kind.type} cannot be adopted.`);
  return {
    parts,
    identity: inputs.identity ?? "",
    owner: { id: inputs.owner ?? "", stack: inputs.stack },
    confirmation: inputs.confirmation,
    declaration,
    due: {
      ...(schedule ? { schedule } : {}),
      events,
      inputsDigest: digestOf(issuedFrom),
      retryAfterMs: durationMs(inputs.unconfirmed.retryAfter),
    },
    retirement: retirementOf(declaration, parts),
    unconfirmed: { attempts: inputs.unconfirmed.attempts, withinMs: durationMs(inputs.unconfirmed.within) },
    ...(adopt && adoptFrom
      ? {
          adopt: async () =>
            adoptFrom({ username: adopt.username, password: await runtime.context.resolveSecret(adopt.password) }),
        }
      : {}),
  };
}

/** The secret of an entry whose program is not there to declare it. */
function declaredInLedger(parts: Parts, entry: SecretVersionEntry, ledger: LedgerState): DeclaredSecret {
  return {
    parts,
    identity: entry.identity,
    owner: { id: entry.owner, stack: entry.stack },
    confirmation: ledger.confirmation,
    declaration: ledger.declared,
    due: { events: [], inputsDigest: "", retryAfterMs: 0 },
    retirement: retirementOf(ledger.declared, parts),
    unconfirmed: { attempts: Infinity, withinMs: Infinity },
  };
}

function retirementOf(declaration: Declaration, parts: Parts): DeclaredSecret["retirement"] {
  const { graceMs, soakMs, requireUnused, terminateSessions, compromisedBefore, revokeFirstBefore } = declaration;
  const { canDisable, hasLastUsed, seesRefusals } = parts.kind.capabilities;
  const policy = { graceMs, soakMs, compromisedBefore, revokeFirstBefore, canDisable, hasLastUsed, seesRefusals };
  return { ...policy, requireUnused, terminateSessions };
}
