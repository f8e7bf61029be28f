/** Whether everything has come to rest. */
import { getVersion } from "../../provider/lifecycle/ledger";
import { liveCredentials } from "./invariants";
import { held, type Subject } from "./subject";
import type { World } from "./world";

/** @returns what is not as it should be when nothing is left to do; `null` when all is. */
export function unsettled(world: World): string | null {
  for (const subject of world.subjects) {
    const why = unsettledSubject(world, subject);
    if (why !== null) return `${subject.name}: ${why}`;
  }
  const { secret, setup, owner } = world;
  if (secret.migrateFrom && held(secret.migrateFrom).versions.size > 0) return "the former store is not empty";
  if (world.former) return `${world.former.name} still has entries`;
  if (Object.keys(owner.further).length !== (setup.jobs ? 1 : 0)) return "a rollout is in the state by its former name";
  const active = secret.ledger?.active ?? 0;
  if (setup.dependents && (world.native.size !== 1 || !world.native.has(active)))
    return "the native resource uses another version";
  if (setup.confirmation !== "required") return null;
  for (const subject of world.subjects)
    if (world.workload("api").versions.get(subject.name) !== subject.ledger?.active)
      return `api uses another version of ${subject.name}`;
  if (setup.jobs && world.workload("jobs").versions.get(secret.name) !== active) return "jobs uses another version";
  return null;
}

function unsettledSubject(world: World, subject: Subject): string | null {
  const { ledger } = subject;
  if (ledger?.status !== "live" || ledger.active === null) return `the ledger is ${ledger?.status}`;
  const active = getVersion(ledger, ledger.active);
  const live = liveCredentials(subject);
  if (live.length !== 1 || live[0] !== active.issued?.["name"])
    return `live: ${live.join(", ")}, active: v${ledger.active}`;
  const main = subject === world.secret;
  for (const name of [subject.home, ...(main && world.setup.replica ? ["replica"] : [])]) {
    const { versions, current } = held(name);
    if (versions.size !== 1 || !versions.has(active.rotationId)) return `store ${name} has ${versions.size} versions`;
    if (current?.token !== active.rotationId) return `"current" of ${name} is v${current?.version}`;
  }
  const open = ledger.versions.filter((record) => record.endedAt === null && record !== active);
  if (open.length > 0) return open.map((record) => `v${record.version} is ${record.state}`).join(", ");
  const unsure = Object.values(ledger.rollouts).filter(
    (one) => one.mayUse.length !== 1 || one.mayUse[0] !== ledger.active,
  );
  if (unsure.length > 0) return `not confirmed by ${unsure.map((one) => one.name).join(", ")}`;
  if (ledger.rotation && ledger.rotation.phase !== "done") return `the rotation is ${ledger.rotation.phase}`;
  // One that could not be given back has run out.
  if (world.foreignLease(subject.home)) return "a lease is held";
  const stack = main ? world.owner : world.keys;
  if (stack.pending.length > 0) return `${stack.pending.length} pending deletes`;
  const { version, incarnation, epoch } = stack.secret?.outputs ?? {};
  if (version !== ledger.active || incarnation !== ledger.counters.incarnation || epoch !== ledger.counters.epoch)
    return `the state names v${String(version)}#${String(incarnation)}@${String(epoch)}, the ledger v${ledger.active}#${ledger.counters.incarnation}@${ledger.counters.epoch}`;
  return null;
}
