/** What must hold after every single effect of a run, and after every run: the five promises of the README, by number. */
import type { LedgerState, VersionRecord } from "../../provider/lifecycle/ledger";
import type { Effect } from "./boundary";
import { held, type Subject } from "./subject";
import type { WatchedTrail } from "./trail";
import { isOpen } from "./wallClock";
import { entriesOf, LEGACY, OTHER, SECRET, type World } from "./world";

export class Broken extends Error {
  override readonly name = "Broken";
}

const broken = (promise: string, what: string): never => {
  throw new Broken(`${promise}: ${what}`);
};

/** Looks at what an effect changed. */
export function follow(world: World, { point, name, args }: Effect): void {
  const [first] = args;
  const subject = world.subjects.find((one) => one.has(name));
  switch (point.split(".")[1]) {
    case "putVersion": {
      const there = held(name).versions.get(first.ref.token);
      if (subject && there) {
        const { version, token } = first.ref;
        if (subject.stored.get(version)?.ref.token !== token) {
          if (subject.madeIn.get(version) === name) broken("rule18", `v${version} is made a second time`);
          subject.madeIn.set(version, name);
        }
        subject.stored.set(version, there);
        subject.lost.delete(version);
      }
      if (first.value.password) world.passwords.add(first.value.password);
      break;
    }
    case "commit": {
      const before = world.before.get(name) ?? null;
      const after = held(name).body;
      if (!after || !subject) break;
      world.before.set(name, after);
      if (after.status === "tearing-down" && before?.status !== "tearing-down") {
        if (subject === world.secret && !world.ending)
          broken("rule19", "a secret that the program still declares is torn down");
        world.everybodyLeaves(subject);
      }
      for (const key of Object.keys(after.rollouts)) world.forgotten.delete(world.workloadOf(key));
      lookAtCounters(world, before, after);
      lookAtRetirements(world, before, after);
      lookAtProposal(world, subject, before, after);
      break;
    }
    case "issue":
      for (const { password } of subject?.issuer.credentials.values() ?? []) world.passwords.add(password);
      break;
    case "roll":
      if (args[0].secrets.some((one: { secret: string }) => one.secret === SECRET))
        world.readsFrom.set(name, world.linkedStore);
      if (name === "api") world.legacyInUse = false;
      break;
    default:
  }
}

/** 1 and 2: everybody's version works; there are at most two. */
export function checkUsers(world: World): void {
  const { secret } = world;
  let looked = 0;
  const works = (subject: Subject, who: string, version: number, store: string | null): void => {
    looked++;
    mustWork(subject, who, version, store);
  };
  for (const version of world.native)
    works(secret, "the native resource", version, storeOf(world, world.readsFrom.get("native")));
  for (const name of world.workloads()) {
    if (world.forgotten.has(name)) continue;
    for (const subject of world.subjects) {
      const version = world.workload(name).versions.get(subject.name);
      if (version === undefined) continue;
      works(subject, name, version, subject === secret ? storeOf(world, world.readsFrom.get(name)) : subject.home);
    }
  }
  if (world.legacyInUse && !secret.issuer.credentials.get(LEGACY)?.enabled)
    broken("promise1", "the adopted credential is still in use and no longer works");
  world.readers = world.readers.filter((reader) => reader.until > world.now && !isCompromised(secret, reader.version));
  for (const { store, version } of world.readers) works(secret, "a reader of current", version, store);
  // A label that somebody has put back from a backup is theirs, until it is repaired; in a teardown the next run does.
  const isTheirs = world.restored !== null || (world.wasRestored && world.ledger?.status === "tearing-down");
  if (!isTheirs)
    for (const store of [world.linkedStore, ...(world.setup.replica ? ["replica"] : [])]) {
      const { current } = held(store);
      if (current) works(secret, `"current" of store ${store}`, current.version, store);
    }
  world.tally.count("promise1", looked);
  for (const subject of world.subjects) checkCount(world, subject);
}

function storeOf(world: World, store: string | undefined): string | null {
  return world.restored ? null : (store ?? world.secret.home);
}

function mustWork(subject: Subject, who: string, version: number, store: string | null): void {
  const stored = subject.stored.get(version);
  const credential = subject.issuer.credentials.get(stored?.issued["name"] ?? "");
  const name = `${subject.name} v${version}`;
  if (!credential) return broken("promise1", `${who} uses ${name}, which the issuer does not have`);
  if (!credential.enabled) return broken("promise1", `${who} uses ${name}, which is disabled`);
  if (credential.password !== stored?.value["password"])
    return broken("promise1", `${who} uses ${name} with another password`);
  if (store !== null && !subject.lost.has(version) && !held(store).versions.has(stored.ref.token))
    return broken("promise1", `${who} uses ${name}, which is not in store ${store}`);
}

/** 2: no effect makes a third; what a restored backup brought up goes down, and never up. */
function checkCount(world: World, subject: Subject): void {
  world.tally.count("promise2");
  const live = liveCredentials(subject);
  if (live.length > 2 && live.length > subject.live) broken("promise2", `live at the issuer: ${live.join(", ")}`);
  subject.live = live.length;
  for (const store of subject.stores) {
    const { versions } = held(store);
    if (versions.size > 2 && versions.size > (subject.kept.get(store) ?? 0))
      broken("promise2", `in store ${store}: ${[...versions.values()].map((v) => `v${v.ref.version}`).join(", ")}`);
    subject.kept.set(store, versions.size);
  }
}

export function liveCredentials(subject: Subject): string[] {
  const adopted = () =>
    subject.ledgers.some((store) => {
      const { body } = held(store);
      return (
        body?.status !== "moved" &&
        body?.versions.some((record) => record.issued?.["name"] === LEGACY && record.endedAt === null)
      );
    });
  return [...subject.issuer.credentials.keys()].filter((name) => name !== LEGACY || adopted());
}

export function isCompromised(subject: Subject, version: number): boolean {
  const record = subject.ledger?.versions.find((one) => one.version === version);
  return !record || (record.issuedAt ?? 0) <= subject.compromisedBefore;
}

/** Before an effect: 3, what is about to end may end; 5, what cannot be recorded is not done. */
export function checkBefore(world: World, effect: Effect): void {
  const { point, name, process } = effect;
  if (point !== "store.commit") {
    if (process.unrecorded && !point.startsWith("audit"))
      broken("promise5", `${point} of ${name} though the audit trail cannot be written`);
    world.tally.count("promise5");
  }
  const subject = world.subjects.find((one) => one.issuerName === name);
  if (subject && (point === "issuer.revoke" || point === "issuer.disable")) checkRevocation(world, subject, effect);
}

function checkRevocation(world: World, subject: Subject, { point, args }: Effect): void {
  const { ledger } = subject;
  const name = args[0].name as string;
  const credential = subject.issuer.credentials.get(name);
  if (!ledger || !credential) return;
  world.tally.count("promise3");
  // A credential that was adopted, left and adopted again has had two numbers.
  const record = ledger.versions.findLast(
    (one) => one.issued?.["name"] === name || one.rotationId === credential.rotationId,
  );
  if (!record) return broken("promise3", `${point} of ${name}, which the ledger does not know`);
  if (ledger.status === "tearing-down") return;
  const version = `v${record.version}`;
  if (record.version === ledger.active) return broken("promise3", `${point} of ${version}, which is active`);
  const kept = !isCompromised(subject, record.version);
  if (point === "issuer.disable") {
    if (record.state !== "disabled") return broken("promise3", `${version} is disabled while ${record.state}`);
    if (kept) checkEvidence(world, subject, record, credential.users);
    return;
  }
  if (record.state === "pending") {
    // Never handed out: it is being abandoned, or its value was lost in the making.
    const phase = ledger.rotation?.phase;
    if (phase !== "abandoning" && phase !== "proposed") broken("promise3", `${version} is revoked while ${phase}`);
    return;
  }
  if (record.state !== "retiring" && record.endedAt === null)
    broken("promise3", `${version} is revoked while ${record.state}`);
  if (credential.users.size > 0 && kept && args[1]?.terminateSessions && record.endedAt === null)
    broken("promise3", `sessions of ${version} are ended though nobody asked for it`);
}

/** What the issuer can see of a version's use, as far as the program asks for it. */
function checkEvidence(world: World, subject: Subject, record: VersionRecord, users: ReadonlySet<string>): void {
  world.tally.count("unused");
  const asks = subject.ledger?.declared.requireUnused ?? false;
  if (users.size > 0 && subject.issuer.tellsUse)
    broken("promise3", `v${record.version} is disabled while ${[...users].join(", ")} uses it`);
  if (asks && !subject.issuer.tellsUse)
    broken("promise3", `v${record.version} is disabled though nobody can tell who uses it`);
}

/** 3: a version begins to end only when its successor is confirmed by everybody. */
function lookAtRetirements(world: World, before: LedgerState | null, after: LedgerState): void {
  if (!before || after.status !== "live" || before.status !== "live") return;
  for (const record of after.versions) {
    const was = before.versions.find((one) => one.version === record.version)?.state;
    if (was === record.state || (record.state !== "retiring" && record.state !== "disabled")) continue;
    if (record.state === "retiring" && was === "disabled" && record.rejected) continue;
    world.tally.count("promise3");
    const name = `v${record.version} becomes ${record.state}`;
    if (after.active === null || record.version === after.active)
      broken("promise3", `${name} though v${after.active} is active`);
    const rollouts = Object.values(after.rollouts);
    const unsure = rollouts.filter((rollout) =>
      record.rejected
        ? rollout.mayUse.includes(record.version) || rollout.mayUse.includes("unknown")
        : rollout.mayUse.length !== 1 || rollout.mayUse[0] !== after.active,
    );
    if (unsure.length > 0) broken("promise3", `${name} though ${unsure.map((one) => one.name).join(", ")} may use it`);
    if (!record.rejected && rollouts.length === 0 && after.confirmation !== "none")
      broken("promise3", `${name} though nobody confirmed v${after.active}`);
  }
}

/** Rule 18: nothing is counted twice, not after a teardown either. */
function lookAtCounters(world: World, before: LedgerState | null, after: LedgerState): void {
  world.tally.count("rule18");
  for (const counter of ["version", "incarnation", "epoch"] as const)
    if (before && after.counters[counter] < before.counters[counter])
      broken("rule18", `the ${counter} goes from ${before.counters[counter]} to ${after.counters[counter]}`);
}

/** A rotation that the schedule asks for begins in its window, as a clock on the wall shows it. */
function lookAtProposal(world: World, subject: Subject, before: LedgerState | null, after: LedgerState): void {
  const { window } = world.setup;
  if (!window || subject !== world.secret || after.counters.version === before?.counters.version) return;
  const record = after.versions.find((one) => one.version === after.counters.version);
  if (record?.state !== "pending" || record.reason.code !== "schedule") return;
  world.tally.count("window");
  if (!isOpen(window, record.proposedAt))
    broken("window", `v${record.version} is begun at ${new Date(record.proposedAt).toISOString()}, out of its window`);
}

/** 4: nobody ever writes a password where it does not belong; events are looked at when they are new. */
export function checkSecrecy(world: World, ...texts: readonly unknown[]): void {
  world.tally.count("promise4");
  const bodies = world.subjects.flatMap((subject) => subject.ledgers.map((store) => held(store).body));
  const events = world.trails.map((trail) => trail.look());
  const all = JSON.stringify([bodies, world.stacks.map(entriesOf), events, texts]);
  for (const password of world.passwords) if (all.includes(password)) broken("promise4", "a password was written down");
}

/** 5: the trail is whole, what waits in the outbox included, and tells each version's steps in order. */
export function checkTrail(world: World): void {
  for (const trail of world.trails) {
    world.tally.count("promise5", trail.fresh.length);
    if (trail.wrong.length > 0) broken("promise5", trail.wrong.join("; "));
    const { body } = held(trail.sink);
    const subject = world.subjects.find((one) => one.ledgers.includes(trail.sink));
    if (!body || !subject || body.status === "moved" || isFromBackup(world, trail.sink)) continue;
    const ends = trail.endsAs(body);
    if (ends.length > 0) broken("promise5", ends.join("; "));
    checkSteps(body, trail, subject.untoldUpTo);
  }
}

export function checkWholeTrail(world: World): void {
  for (const trail of world.trails) {
    const { body } = held(trail.sink);
    if (!body || body.status === "moved" || isFromBackup(world, trail.sink)) continue;
    world.tally.count("promise5");
    const findings = trail.verify(body);
    if (findings.length > 0) broken("promise5", findings.join("; "));
  }
}

function isFromBackup(world: World, store: string): boolean {
  return world.restored?.store === store;
}

const BIRTH = ["proposed", "staged", "issued", "verified", "promoting", "promoted"];
const DEATH = ["retiring", "revoked", "retired"];

function checkSteps(body: LedgerState, trail: WatchedTrail, untoldUpTo: number): void {
  for (const record of body.versions) {
    if (record.version <= untoldUpTo) continue;
    const steps = trail.stepsOf(body, record.version);
    const born = BIRTH.filter((step) => step !== "staged" || (!record.adopted && steps.includes("staged"))).map(
      (step) => (step === "issued" && record.adopted ? "adopted" : step),
    );
    const wanted = record.state === "retired" && steps.includes("retired") ? [...born, ...DEATH] : born;
    const expected =
      record.state === "pending" || record.state === "abandoned" || !steps.includes("promoted") ? [] : wanted;
    const places = expected.map((step) => steps.indexOf(step));
    if (places.some((place, index) => place < 0 || place < (places[index - 1] ?? 0)))
      broken("promise5", `the trail tells of v${record.version}: ${steps.join(", ")}`);
    const lives = ["active", "superseded", "rejected", "disabled", "retiring"].includes(record.state);
    if (lives && !steps.includes("promoted"))
      broken("promise5", `the trail does not tell how v${record.version} was promoted`);
  }
}

/** What a run that must not do anything finds, before it begins. */
export interface Forbidden {
  readonly rule: string;
  readonly subject: Subject;
  /** The ledger as it has to stay. */
  readonly ledger: LedgerState;
  /** Whether not even the lease may be taken. */
  readonly everything: boolean;
  /** Whether the ledger has to stay as it is. */
  readonly whole: boolean;
}

/** Rules 21 and 24, and a ledger of a newer package: where a run may change nothing. */
export function forbidden(world: World, store: string, what: string): Forbidden[] {
  const found: Forbidden[] = [];
  for (const subject of world.subjects) {
    const place = subject === world.secret ? store : subject.home;
    const { body } = held(place);
    if (!body) continue;
    const ledger = body;
    if (world.foreignLease(place)) found.push({ rule: "rule21", subject, ledger, everything: true, whole: true });
    if (subject !== world.secret) continue;
    if (world.newer) found.push({ rule: "schema", subject, ledger, everything: true, whole: true });
    else if (isOlder(world, body, what)) {
      // A rollout that leaves knows of the versions in the store, and not what the entry of the secret names.
      const whole = !["destroy", "removal"].includes(what) || hasUnknownVersions(world, body);
      found.push({ rule: "rule24", subject, ledger, everything: false, whole });
    }
  }
  return found;
}

/** As far as the state and the store show it; what only the trail tells is found with the first event. */
function isOlder(world: World, body: LedgerState, what: string): boolean {
  const byOwner = ["up", "destroy", "removal"].includes(what);
  const byRollout = ["rollout up", "other up"].includes(what);
  if (body.status === "moved" || !(byOwner || byRollout)) return false;
  // Nothing is to be done then, so nothing is looked at.
  if (body.status === "torn-down" && what !== "up") return false;
  const { entry } = world;
  const { version, incarnation, epoch } = body.counters;
  if (entry && entry.identity !== body.identity) return false;
  if (entry && byOwner && body.status !== "torn-down" && (entry.version > version || entry.incarnation > incarnation))
    return true;
  if (entry && byRollout && entry.epoch > epoch) return true;
  return hasUnknownVersions(world, body);
}

function hasUnknownVersions(world: World, body: LedgerState): boolean {
  const known = new Set(body.versions.map((record) => record.rotationId));
  return [...held(world.secret.home).versions.keys()].some((token) => !known.has(token));
}

/** What is no side effect: to hold the lease for a moment, and to bring events to the trail that were committed before. */
function withoutLease(body: LedgerState): string {
  return JSON.stringify({ ...body, lease: null, outbox: [] });
}

/** @param effects what the run did, each with the name of the adapter. */
export function checkForbidden(
  world: World,
  store: string,
  rules: readonly Forbidden[],
  effects: readonly { readonly point: string; readonly name: string }[],
): void {
  for (const { rule, subject, ledger, everything, whole } of rules) {
    world.tally.count(rule);
    const place = subject === world.secret ? store : subject.home;
    // The ledger of a store that the secret has left is another one.
    const isLedger = (point: string) => point === "store.commit" || point === "audit.record";
    const did = effects.filter(
      ({ point, name }) => subject.has(name) && (!isLedger(point) || (everything && name === place)),
    );
    const { body } = held(place);
    if (did.length > 0) broken(rule, `this run did ${did.map(({ point, name }) => `${point} of ${name}`).join(", ")}`);
    if (whole && body && withoutLease(body) !== withoutLease(ledger)) broken(rule, "this run changed the ledger");
  }
}

/** Which registrations a ledger from a backup does not know: those of other stacks cannot be saved. */
export function forgetWhatCannotBeSaved(world: World, newest: LedgerState, older: LedgerState): void {
  const keys = (body: LedgerState) => [...Object.keys(body.rollouts), ...Object.keys(body.residues)];
  const known = new Set(keys(older));
  for (const key of keys(newest))
    if (!known.has(key) && key.startsWith(OTHER)) world.forgotten.add(world.workloadOf(key));
}
