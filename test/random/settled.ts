/** Whether everything has come to rest. */
import { getVersion } from "../../provider/lifecycle/ledger";
import { liveCredentials } from "./invariants";
import { SECRET, type World } from "./world";

/** @returns what is not as it should be when nothing is left to do; `null` when all is. */
export function unsettled(world: World): string | null {
  const { ledger, owner } = world;
  if (ledger?.status !== "live" || ledger.active === null) return `the ledger is ${ledger?.status}`;
  const active = getVersion(ledger, ledger.active);
  const live = liveCredentials(world);
  if (live.length !== 1 || live[0] !== active.issued?.["name"])
    return `live: ${live.join(", ")}, active: v${ledger.active}`;
  for (const name of [world.home, ...(world.setup.replica ? ["replica"] : [])]) {
    const { versions, current } = world.mirror(name);
    if (versions.size !== 1 || !versions.has(active.rotationId)) return `store ${name} has ${versions.size} versions`;
    if (current?.token !== active.rotationId) return `"current" of ${name} is v${current?.version}`;
  }
  if (world.migrateFrom && world.mirror(world.migrateFrom).versions.size > 0) return "the former store is not empty";
  const open = ledger.versions.filter((record) => record.endedAt === null && record !== active);
  if (open.length > 0) return open.map((record) => `v${record.version} is ${record.state}`).join(", ");
  const unsure = Object.values(ledger.rollouts).filter(
    (one) => one.mayUse.length !== 1 || one.mayUse[0] !== ledger.active,
  );
  if (unsure.length > 0) return `not confirmed by ${unsure.map((one) => one.name).join(", ")}`;
  if (ledger.rotation && ledger.rotation.phase !== "done") return `the rotation is ${ledger.rotation.phase}`;
  // One that could not be given back has run out.
  if (world.foreignLease()) return "a lease is held";
  if (owner.pending.length > 0) return `${owner.pending.length} pending deletes`;
  const { version, incarnation, epoch } = owner.secret?.outputs ?? {};
  if (version !== ledger.active || incarnation !== ledger.counters.incarnation || epoch !== ledger.counters.epoch)
    return `the state names v${String(version)}#${String(incarnation)}@${String(epoch)}, the ledger v${ledger.active}#${ledger.counters.incarnation}@${ledger.counters.epoch}`;
  if (world.setup.confirmation === "required" && world.workload("api").versions.get(SECRET) !== version)
    return "api uses another version";
  if (world.setup.dependents && (world.native.size !== 1 || !world.native.has(version)))
    return "the native resource uses another version";
  return null;
}
