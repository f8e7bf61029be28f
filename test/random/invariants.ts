/** What must hold after every single effect of a run, and after every run. */
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import type { AuditEvent } from "../../provider/contracts/audit";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import type { Effect } from "./boundary";
import { LEGACY, SECRET, type World } from "./world";

export class Broken extends Error {
  override readonly name = "Broken";
}

const broken = (promise: string, what: string): never => {
  throw new Broken(`${promise}: ${what}`);
};

/** Keeps the mirrors, and looks at what the ledger says of a change. */
export function follow(world: World, { point, name, args }: Effect): void {
  const mirror = world.mirror(name);
  const [first] = args;
  switch (point.split(".")[1]) {
    case "putVersion":
      if (!mirror.versions.has(first.ref.token)) mirror.versions.set(first.ref.token, first);
      world.stored.set(first.ref.version, mirror.versions.get(first.ref.token) ?? first);
      for (const field of ["password"]) if (first.value[field]) world.passwords.add(first.value[field]);
      break;
    case "promote":
      mirror.current = first;
      break;
    case "clearCurrent":
      mirror.current = null;
      break;
    case "retire":
      if (point.startsWith("store") || point.startsWith("replica")) mirror.versions.delete(first.token);
      break;
    case "commit": {
      const before = mirror.body;
      mirror.body = structuredClone(first) as LedgerState;
      if (mirror.body.status === "tearing-down" && before?.status !== "tearing-down") {
        if (!world.ending) broken("19", "a secret that the program still declares is torn down");
        world.everybodyLeaves();
      }
      lookAtCounters(before, mirror.body);
      lookAtRetirements(before, mirror.body);
      break;
    }
    case "issue":
      for (const { password } of world.issuer.credentials.values()) world.passwords.add(password);
      break;
    case "roll":
      world.readsFrom.set(name, world.linkedStore);
      if (name === "api") world.legacyInUse = false;
      break;
    default:
  }
}

/** 1 and 2: everybody's version works; there are at most two. */
export function checkUsers(world: World): void {
  for (const version of world.native)
    mustWork(world, "the native resource", version, world.readsFrom.get("native") ?? world.home);
  for (const name of ["api", "reports"]) {
    const version = world.workload(name).versions.get(SECRET);
    if (version !== undefined) mustWork(world, name, version, world.readsFrom.get(name) ?? world.home);
  }
  if (world.legacyInUse && !world.issuer.credentials.get(LEGACY)?.enabled)
    broken("1", "the adopted credential is still in use and no longer works");
  world.readers = world.readers.filter((reader) => reader.until > world.now && !isCompromised(world, reader.version));
  for (const { store, version } of world.readers) mustWork(world, "a reader of current", version, store);
  for (const store of [world.linkedStore, ...(world.setup.replica ? ["replica"] : [])]) {
    const { current } = world.mirror(store);
    if (current) mustWork(world, `"current" of store ${store}`, current.version, store);
  }
  const live = liveCredentials(world);
  if (live.length > 2) broken("2", `live at the issuer: ${live.join(", ")}`);
  for (const [name, { versions }] of world.mirrors)
    if (versions.size > 2)
      broken("2", `in store ${name}: ${[...versions.values()].map((v) => `v${v.ref.version}`).join(", ")}`);
}

export function liveCredentials(world: World): string[] {
  const ledgers = [...world.mirrors.values()].map((mirror) => mirror.body);
  const adopted = ledgers.some(
    (body) =>
      body?.status !== "moved" &&
      body?.versions.some((record) => record.issued?.["name"] === LEGACY && record.endedAt === null),
  );
  return [...world.issuer.credentials.keys()].filter((name) => name !== LEGACY || adopted);
}

function mustWork(world: World, who: string, version: number, store: string): void {
  const stored = world.stored.get(version);
  const credential = world.issuer.credentials.get(stored?.issued["name"] ?? "");
  if (!credential) return broken("1", `${who} uses v${version}, which the issuer does not have`);
  if (!credential.enabled) return broken("1", `${who} uses v${version}, which is disabled`);
  if (credential.password !== stored?.value["password"])
    return broken("1", `${who} uses v${version} with another password`);
  if (!world.mirror(store).versions.has(stored.ref.token))
    return broken("1", `${who} uses v${version}, which is not in store ${store}`);
}

function isCompromised(world: World, version: number): boolean {
  const record = world.ledger?.versions.find((one) => one.version === version);
  return !record || (record.issuedAt ?? 0) <= world.compromisedBefore;
}

/** 3: what is about to end at the issuer may end. */
export function checkRevocation(world: World, { point, args }: Effect): void {
  if (point !== "issuer.revoke" && point !== "issuer.disable") return;
  const { ledger } = world;
  const name = args[0].name as string;
  const credential = world.issuer.credentials.get(name);
  if (!ledger || !credential) return;
  const record = ledger.versions.find(
    (one) => one.issued?.["name"] === name || one.rotationId === credential.rotationId,
  );
  if (!record) return broken("3", `${point} of ${name}, which the ledger does not know`);
  if (ledger.status === "tearing-down") return;
  if (record.version === ledger.active) return broken("3", `${point} of v${record.version}, which is active`);
  if (point === "issuer.disable") {
    if (record.state !== "disabled") return broken("3", `v${record.version} is disabled while ${record.state}`);
    return;
  }
  if (record.state === "pending") {
    // Never handed out: it is being abandoned, or its value was lost in the making.
    const phase = ledger.rotation?.phase;
    if (phase !== "abandoning" && phase !== "proposed") broken("3", `v${record.version} is revoked while ${phase}`);
    return;
  }
  if (record.state !== "retiring" && record.endedAt === null)
    broken("3", `v${record.version} is revoked while ${record.state}`);
  if (credential.users.size > 0 && !isCompromised(world, record.version))
    if (args[1]?.terminateSessions) broken("3", `sessions of v${record.version} are ended though nobody asked for it`);
}

/** 3: a version begins to end only when its successor is confirmed by everybody. */
function lookAtRetirements(before: LedgerState | null, after: LedgerState): void {
  if (!before || after.status !== "live" || before.status !== "live") return;
  for (const record of after.versions) {
    const was = before.versions.find((one) => one.version === record.version)?.state;
    if (was === record.state || (record.state !== "retiring" && record.state !== "disabled")) continue;
    if (record.state === "retiring" && was === "disabled" && record.rejected) continue;
    const name = `v${record.version} becomes ${record.state}`;
    if (after.active === null || record.version === after.active)
      broken("3", `${name} though v${after.active} is active`);
    const rollouts = Object.values(after.rollouts);
    const unsure = rollouts.filter((rollout) =>
      record.rejected
        ? rollout.mayUse.includes(record.version) || rollout.mayUse.includes("unknown")
        : rollout.mayUse.length !== 1 || rollout.mayUse[0] !== after.active,
    );
    if (unsure.length > 0) broken("3", `${name} though ${unsure.map((one) => one.name).join(", ")} may use it`);
    if (!record.rejected && rollouts.length === 0 && after.confirmation !== "none")
      broken("3", `${name} though nobody confirmed v${after.active}`);
  }
}

/** Rule 18: nothing is counted twice, not after a teardown either. */
function lookAtCounters(before: LedgerState | null, after: LedgerState): void {
  for (const counter of ["version", "incarnation", "epoch"] as const)
    if (before && after.counters[counter] < before.counters[counter])
      broken("18", `the ${counter} goes from ${before.counters[counter]} to ${after.counters[counter]}`);
}

/** 4: nobody ever writes a password where it does not belong. */
export function checkSecrecy(world: World, ...texts: readonly unknown[]): void {
  const bodies = [...world.mirrors.values()].map((mirror) => mirror.body);
  const trails = ["db", "db2"].map((name) => memoryAuditTrail(name).events);
  const states = [world.owner, world.other].map(({ secret, pending, rollout }) => ({ secret, pending, rollout }));
  const all = JSON.stringify([bodies, trails, states, texts]);
  for (const password of world.passwords) if (all.includes(password)) broken("4", "a password was written down");
}

/** 5: the trail is whole, what waits in the outbox included, and tells each version's steps in order. */
export function checkTrail(world: World): void {
  for (const [name, { body }] of world.mirrors) {
    if (!body || body.status === "moved" || name === "replica") continue;
    const recorded = memoryAuditTrail(name).events.filter((event) => event?.identity === body.identity);
    const seen = new Set(recorded.map((event) => event?.seq));
    const trail = [...recorded, ...body.outbox.filter((event) => !seen.has(event.seq))];
    const findings = verifyChain(trail, { expectedHead: body.audit, identity: body.identity });
    if (findings.length > 0) broken("5", findings.map((finding) => finding.message).join("; "));
    checkSteps(body, trail as AuditEvent[]);
  }
}

const BIRTH = ["proposed", "staged", "issued", "verified", "promoting", "promoted"];
const DEATH = ["retiring", "revoked", "retired"];

function checkSteps(body: LedgerState, trail: readonly AuditEvent[]): void {
  for (const record of body.versions) {
    const steps = trail.filter((event) => event.version === record.version && event.result === "ok").map((e) => e.step);
    const born = BIRTH.filter((step) => step !== "staged" || (!record.adopted && steps.includes("staged"))).map(
      (step) => (step === "issued" && record.adopted ? "adopted" : step),
    );
    const wanted = record.state === "retired" && steps.includes("retired") ? [...born, ...DEATH] : born;
    const expected =
      record.state === "pending" || record.state === "abandoned" || !steps.includes("promoted") ? [] : wanted;
    const places = expected.map((step) => steps.indexOf(step));
    if (places.some((place, index) => place < 0 || place < (places[index - 1] ?? 0)))
      broken("5", `the trail tells of v${record.version}: ${steps.join(", ")}`);
    const lives = ["active", "superseded", "rejected", "disabled", "retiring"].includes(record.state);
    if (lives && !steps.includes("promoted"))
      broken("5", `the trail does not tell how v${record.version} was promoted`);
  }
}
