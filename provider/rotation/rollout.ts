/**
 * A rollout: registers, rolls its consumers in waves, watches their health, and writes its confirmation into the
 * ledger; or, when something is wrong, returns everything to the superseded version in the same run.
 */
import type { HealthCheck } from "../contracts/check";
import type { Consumer, RollTarget } from "../contracts/consumer";
import { addMayUse, isConfirmed, isConfirmedOn, settleIfConfirmed } from "../lifecycle/confirmation";
import { brokenActive } from "../lifecycle/drift";
import { RotationError, StateError, UnreachableError } from "../lifecycle/errors";
import { getVersion, isUnfinished, refOf, returnTarget, type LedgerState } from "../lifecycle/ledger";
import { raiseAlarms } from "./alarm";
import { baselineBefore, keepHealth, nothingIsHealthy, type Baseline } from "./baseline";
import { noteDrift } from "./drift";
import { throughSeam, type Fence, type Seamed } from "./effects";
import { probeCanaries, watchHealth, type HealthReport } from "./health";
import { healthTable, sayHealth, standing } from "./healthTable";
import { holdAgainstStore } from "./inspect";
import { enable } from "./retire";
import { finishReturn, startReturn } from "./return";
import { Session, type Parts } from "./session";

export interface DeclaredRollout {
  /** Its key in the ledgers. */
  readonly key: string;
  readonly name: string;
  readonly stack: string;
  readonly secrets: readonly UsedSecret[];
  readonly consumers: readonly Consumer[];
  readonly checks: readonly HealthCheck[];
  /** Whether resources of the program follow the secret, so that the engine moves them, not this rollout. */
  readonly hasDependents: boolean;
  /** What a confirmation rests on beside health (rule 6). */
  readonly evidence: "adoption" | "issuer" | "engine";
}

/** One whose consumers are rolled through the seam. */
interface RunningRollout extends DeclaredRollout {
  readonly consumers: readonly Seamed<Consumer>[];
}

/** A secret as a rollout knows it. */
export interface UsedSecret {
  readonly parts: Parts;
  /** The reference in the Pulumi state; its epoch shows a ledger that is older (rule 24). */
  readonly ref: string;
}

export interface RolloutReport {
  /** The confirmed version of each secret, by name. */
  readonly confirmed: Readonly<Record<string, number>>;
  readonly health: readonly HealthReport[];
}

/** Rule 2: whether a rollout has work, from a fresh ledger. */
export function needsRollout(ledger: LedgerState | null, key: string): boolean {
  const rollout = ledger?.rollouts[key];
  if (!ledger || ledger.status !== "live" || ledger.active === null) return true;
  return !rollout || !isConfirmedOn(rollout, ledger.active);
}

export async function rollOut(declared: DeclaredRollout): Promise<RolloutReport> {
  return withSessions(declared.secrets, async (sessions) => {
    for (const session of sessions) await register(session, declared);
    const target = await currentTarget(sessions);
    const before = sessions.map((session) => session.ledger.rollouts[declared.key]?.mayUse ?? []);
    const touched: Seamed<Consumer>[] = [];
    const fence: Fence = async () => {
      for (const session of sessions) await session.fence();
    };
    const rollout: RunningRollout = {
      ...declared,
      consumers: declared.consumers.map((consumer) => throughSeam(consumer, "consumer", "Consumer", fence)),
    };
    try {
      await askCanaries(sessions, rollout, target);
      const baseline = await baselineBefore(sessions, rollout, target);
      for (const session of sessions) await commitMayUse(session, rollout, baseline);
      const health = await rollWaves(sessions, rollout, target, touched, baseline);
      await askIssuer(sessions, rollout);
      for (const session of sessions) await confirm(session, rollout, health);
      return { confirmed: versionsOf(sessions), health };
    } catch (error) {
      // Rule 15: what cannot be reached is not unhealthy. Nothing is rolled back.
      if (!(error instanceof Unhealthy)) throw error;
      throw await backOut(sessions, rollout, error, touched, before);
    }
  });
}

/** A consumer or a check said that the new version is not well. */
class Unhealthy extends RotationError {
  constructor(
    message: string,
    /** Rule 6: the consumers are well, but use another version than the engine applied. */
    readonly contradiction = false,
  ) {
    super(message);
  }
}

/** Leases are taken in one order, so that two rollouts that share secrets cannot block each other. */
async function withSessions<T>(secrets: readonly UsedSecret[], work: (sessions: Session[]) => Promise<T>): Promise<T> {
  const ordered = [...secrets].sort((a, b) => (a.parts.store.location < b.parts.store.location ? -1 : 1));
  const open = (index: number, sessions: Session[]): Promise<T> => {
    const next = ordered[index];
    if (!next) return work(sessions);
    return Session.run(next.parts, (session) => {
      if (session.hasLedger) assertAsNewAs(session.ledger, next.ref);
      return open(index + 1, [...sessions, session]);
    });
  };
  return open(0, []);
}

/** Rule 24: a ledger older than the state stops everything. */
function assertAsNewAs(ledger: LedgerState, ref: string): void {
  const epoch = Number(/@(\d+)$/.exec(ref)?.[1] ?? 0);
  if (epoch <= ledger.counters.epoch) return;
  throw new StateError(
    `${ledger.secret}: the ledger is older than the Pulumi state: it counts ${ledger.counters.epoch} promotions, the ` +
      `state names ${ref}. The store was probably restored from a backup. Nothing was changed. When the store is as it ` +
      `should be, say in the stack ${ledger.owner.stack}: rotation adopt ${ledger.secret} --reason TEXT`,
  );
}

async function register(session: Session, rollout: DeclaredRollout): Promise<void> {
  const { ledger } = session;
  if (ledger.status === "moved")
    throw new StateError(
      `${session.secret}: it lives in ${ledger.movedTo ?? "another store"} now. Nothing was changed. Give rollout ` +
        `${rollout.name} the link that the stack ${ledger.owner.stack} exports now.`,
    );
  if (ledger.status !== "live")
    throw new StateError(
      `${session.secret}: it is ${ledger.status}; rollout ${rollout.name} cannot use it. Nothing was changed. ` +
        `Run the stack ${ledger.owner.stack} first.`,
    );
  if (ledger.active === null || isUnfinished(ledger.rotation))
    throw new StateError(
      `${session.secret}: its rotation stopped ${ledger.rotation?.phase ?? "before the first version"}; rollout ` +
        `${rollout.name} has to wait. Nothing was changed. Run the stack ${ledger.owner.stack} first.`,
    );
  await holdAgainstStore(session);
  const known = ledger.rollouts[rollout.key];
  const pinned = isPinned(rollout);
  if (known) {
    if (known.pinned !== pinned)
      await session.commit((next) => {
        const record = next.rollouts[rollout.key];
        if (record) record.pinned = pinned;
      });
    return;
  }
  await session.commit(
    (next) => {
      const residue = next.residues[rollout.key];
      next.rollouts[rollout.key] = {
        stack: rollout.stack,
        name: rollout.name,
        mayUse: [...new Set(["unknown" as const, ...(residue?.mayUse ?? [])])],
        pinned,
        registeredAt: session.now,
        confirmedAt: null,
        evidence: null,
      };
      // Rule 4: what it left behind is its own again.
      Reflect.deleteProperty(next.residues, rollout.key);
    },
    { step: "rollout-registered", version: ledger.active, reason: `${rollout.name} of ${rollout.stack}` },
  );
  for (const version of session.ledger.versions.filter((record) => record.state === "disabled"))
    await enable(session, version, `rollout ${rollout.name} registered and may use it`);
}

/** Rule 1: consumers that read "current" by themselves, or follow the engine, use a version before they are rolled. */
function isPinned(rollout: DeclaredRollout): boolean {
  return (
    !rollout.hasDependents && rollout.consumers.length > 0 && rollout.consumers.every((consumer) => consumer.pinned)
  );
}

async function currentTarget(sessions: readonly Session[]): Promise<RollTarget> {
  const secrets = await Promise.all(
    sessions.map(async (session) => {
      const active = getVersion(session.ledger, session.ledger.active ?? 0);
      await noteDrift(session);
      const broken = brokenActive(session.ledger) ?? active.proof?.detail;
      if (broken !== undefined)
        throw new StateError(
          `${session.secret}: v${active.version} should be rolled out, but it does not work: ${broken}. No consumer was ` +
            `touched. Run the stack ${session.ledger.owner.stack}, which replaces it.`,
        );
      return session.store.read(refOf(active));
    }),
  );
  return { secrets };
}

function versionsOf(sessions: readonly Session[]): Record<string, number> {
  return Object.fromEntries(sessions.map((session) => [session.secret, session.ledger.active ?? 0]));
}

function describe(target: RollTarget): string {
  return target.secrets.map((secret) => `${secret.secret} v${secret.ref.version}`).join(", ");
}

/** Together with what health is compared with: from here on consumers are touched, and it cannot be seen any more. */
async function commitMayUse(session: Session, rollout: DeclaredRollout, baseline?: Baseline): Promise<void> {
  const { active } = session.ledger;
  const record = session.ledger.rollouts[rollout.key];
  const isKnown = !baseline || record?.baseline?.at === baseline.at;
  if (active === null || (record?.mayUse.includes(active) && isKnown)) return;
  await session.commit(
    (next) => {
      const mine = next.rollouts[rollout.key];
      if (!mine) return;
      addMayUse(mine, active);
      if (!baseline || isKnown) return;
      const { at, before, checks } = baseline;
      mine.baseline = { version: active, at, before, checks };
    },
    {
      step: "rolling",
      version: active,
      reason: `rollout ${rollout.name} of ${rollout.stack}`,
      ...(baseline ? { detail: baseline.told } : {}),
    },
  );
}

async function askCanaries(sessions: readonly Session[], rollout: DeclaredRollout, target: RollTarget): Promise<void> {
  const context = contextOf(sessions);
  const reports = await probeCanaries({
    checks: rollout.checks,
    target,
    clock: context.clock,
    signal: context.signal,
    log: context.log,
  });
  await report(sessions, "canary-checked", reports);
  const failed = reports.filter((health) => !health.healthy);
  if (failed.length > 0) throw new Unhealthy(`before any consumer was touched: ${failed.map(sayHealth).join("; ")}`);
}

async function rollWaves(
  sessions: readonly Session[],
  rollout: RunningRollout,
  target: RollTarget,
  touched: Seamed<Consumer>[],
  baseline: Baseline | undefined,
): Promise<readonly HealthReport[]> {
  const waves = [...new Set(rollout.consumers.map((consumer) => consumer.wave))].sort((a, b) => a - b);
  let health: readonly HealthReport[] = [];
  // Without consumers of its own a rollout still watches what the engine has moved.
  for (const wave of waves.length > 0 ? waves : [null]) {
    const consumers = rollout.consumers.filter((consumer) => consumer.wave === wave);
    touched.push(...consumers);
    await settleAll(consumers.map((consumer) => rollOne(sessions, consumer, target)));
    // Only then: where one did not come up, nobody waits until the others have adopted what is being left.
    await settleAll(consumers.map((consumer) => confirmOne(sessions, consumer, target)));
    health = await watch(sessions, rollout, target, baseline);
  }
  return health;
}

/** Waits for all of them: none may still be on its way to a version that is being left. Every failure is told. */
async function settleAll(rolls: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(rolls)).flatMap((roll) =>
    roll.status === "rejected" ? [roll.reason as Error] : [],
  );
  const other = failed.find((failure) => !(failure instanceof Unhealthy));
  if (other) throw other;
  if (failed.length > 0) throw new Unhealthy(failed.map((failure) => failure.message).join("; "));
}

async function rollOne(sessions: readonly Session[], consumer: Seamed<Consumer>, target: RollTarget): Promise<void> {
  try {
    await consumer.roll(target);
  } catch (error) {
    if (error instanceof UnreachableError) throw error;
    // What stops the run says nothing about the consumer.
    for (const session of sessions) await session.fence();
    throw new Unhealthy(`consumer ${consumer.name}: ${(error as Error).message}`);
  }
}

async function confirmOne(sessions: readonly Session[], consumer: Consumer, target: RollTarget): Promise<void> {
  const adoption = await consumer.confirm(target);
  // One without evidence of its own is covered by an adoption check, the issuer, or the word of the program.
  if (!adoption.adopted && consumer.hasEvidence)
    throw new Unhealthy(`consumer ${consumer.name} does not use ${describe(target)}: ${adoption.detail}`);
  contextOf(sessions).log.info(`${consumer.name}: rolled to ${describe(target)} (${adoption.detail})`);
  for (const session of sessions)
    await session.commit(() => undefined, {
      step: "rolled",
      version: session.ledger.active,
      reason: `consumer ${consumer.name}`,
      detail: { evidence: adoption.detail },
    });
}

async function watch(
  sessions: readonly Session[],
  rollout: DeclaredRollout,
  target: RollTarget,
  baseline: Baseline | undefined,
): Promise<readonly HealthReport[]> {
  const { clock, signal, log } = contextOf(sessions);
  const { checks } = rollout;
  const reports = await watchHealth({ checks, target, clock, signal, log, baselines: baseline?.checks ?? {} });
  if (reports.length > 0) log.info(healthTable(rollout.name, reports));
  await report(sessions, "health-checked", reports);
  const failed = reports.filter((health) => !health.healthy && health.failedAt !== undefined);
  if (failed.length > 0)
    throw new Unhealthy(
      failed.map(sayHealth).join("; "),
      rollout.hasDependents && failed.every((health) => health.contradicts === true),
    );
  return reports;
}

async function report(sessions: readonly Session[], step: string, reports: readonly HealthReport[]): Promise<void> {
  if (reports.length === 0) return;
  const detail = Object.fromEntries(
    reports.map((health) => [health.name, `${standing(health)}: ${health.lastDetail}`]),
  );
  const result = reports.every((health) => health.healthy || health.unhealthyBefore) ? "ok" : "failed";
  for (const session of sessions)
    await session.commit(() => undefined, {
      step,
      version: session.ledger.active,
      result,
      reason: `${reports.length} checks`,
      detail,
    });
}

/** Rule 6, where the evidence is the issuer's: the active version is in use, and no other is. */
async function askIssuer(sessions: readonly Session[], rollout: DeclaredRollout): Promise<void> {
  if (rollout.evidence !== "issuer") return;
  for (const session of sessions) {
    for (const version of session.ledger.versions) {
      if (version.endedAt !== null || !version.issued) continue;
      const usage = await session.kind.usage(version.issued);
      const isActive = version.version === session.ledger.active;
      if (isActive && usage.verdict !== "used")
        throw new Unhealthy(`the issuer sees no use of ${session.secret} v${version.version}`, rollout.hasDependents);
      if (!isActive && usage.verdict === "used")
        throw new Unhealthy(
          `the issuer sees ${session.secret} v${version.version} in use by ${usage.uses.map((use) => use.by).join("; ")}`,
          rollout.hasDependents,
        );
    }
  }
}

async function confirm(session: Session, rollout: DeclaredRollout, health: readonly HealthReport[]): Promise<void> {
  const active = getVersion(session.ledger, session.ledger.active ?? 0);
  if (session.ledger.rollouts[rollout.key] === undefined)
    throw new StateError(`${session.secret}: the rollout was removed meanwhile.`);
  const silence = nothingIsHealthy(health);
  if (silence !== undefined)
    session.context.log.warn(
      `${session.secret} v${active.version}: rollout ${rollout.name} confirms it, but ${silence}.`,
    );
  const change = (next: LedgerState) => {
    confirmIn(next, rollout, active.version, session.now);
    keepHealth(next, rollout, health, session.now);
  };
  await session.commit(change, {
    step: "confirmed",
    version: active.version,
    reason: `rollout ${rollout.name} of ${rollout.stack}, evidence: ${rollout.evidence}`,
    ...(silence === undefined ? {} : { detail: { health: silence } }),
  });
}

function confirmIn(ledger: LedgerState, rollout: DeclaredRollout, version: number, now: number): void {
  const record = ledger.rollouts[rollout.key];
  if (!record) return;
  record.mayUse = [version];
  record.confirmedAt = now;
  record.evidence = rollout.evidence;
  delete record.baseline;
  if (rollout.stack === ledger.owner.stack) ledger.ownerUnconfirmed = false;
  settleIfConfirmed(ledger);
}

/** Leaves the new version where that is possible, and puts the consumers back. */
async function backOut(
  sessions: readonly Session[],
  rollout: RunningRollout,
  failure: Unhealthy,
  touched: readonly Seamed<Consumer>[],
  before: readonly (readonly (number | "unknown")[])[],
): Promise<Error> {
  const why = `rollout ${rollout.name}: ${failure.message.replace(/\.$/, "")}`;
  if (failure.contradiction) return raiseEpoch(sessions, why);
  const returned: Session[] = [];
  for (const session of sessions) {
    if (isConfirmed(session.ledger) || !returnTarget(session.ledger)) continue;
    await startReturn(session, why).catch((error: unknown) => {
      throw error instanceof UnreachableError ? notRolledBack(session, why, error) : error;
    });
    await finishReturn(session, { inCreate: false });
    returned.push(session);
  }
  if (returned.length === 0)
    return new RotationError(
      `${why}. There is nothing to return to: ${describe(await currentTarget(sessions))} stays active and unconfirmed, ` +
        `and nothing is retired. Mend what the check complains of and run again.`,
    );
  const states = await revertConsumers(sessions, rollout, touched, before);
  const now = sessions.map((session) => `${session.secret} v${session.ledger.active}`).join(", ");
  return new RotationError(
    `${why}. Rolled back in this run to ${now}. ${states.join("; ")}. The rejected version is retired by a later run; ` +
      `the next run hands ${now} out again and retries after a while. Mend the cause first.`,
  );
}

/** Rule 15: whether the superseded version would be any better cannot be told now. */
function notRolledBack(session: Session, why: string, failure: UnreachableError): UnreachableError {
  return new UnreachableError(
    `${why}. Nothing was rolled back, because the superseded version could not be tried: ${failure.message} ` +
      `${session.secret}: v${session.ledger.active} stays active and unconfirmed, and both versions stay. The next run ` +
      `goes on from there.`,
    { cause: failure },
  );
}

/** Rule 6: the reference changes, so that the engine applies it to the dependents again. */
async function raiseEpoch(sessions: readonly Session[], why: string): Promise<Error> {
  for (const session of sessions)
    await session.commit(
      (next) => {
        next.counters.epoch++;
      },
      { step: "evidence-contradicts", version: session.ledger.active, result: "failed", reason: why },
    );
  return new RotationError(
    `${why}. The resources of the program were applied, but what runs uses another version. Nothing was rolled back or ` +
      `retired; the next run hands the reference out again.`,
  );
}

async function revertConsumers(
  sessions: readonly Session[],
  rollout: RunningRollout,
  touched: readonly Seamed<Consumer>[],
  before: readonly (readonly (number | "unknown")[])[],
): Promise<string[]> {
  const target = await currentTarget(sessions);
  for (const session of sessions) await commitMayUse(session, rollout);
  const states: string[] = [];
  let allBack = true;
  for (const consumer of [...touched].sort((a, b) => b.wave - a.wave)) {
    try {
      await consumer.roll(target);
      const adoption = await consumer.confirm(target);
      allBack &&= adoption.adopted;
      states.push(`${consumer.name}: back on ${describe(target)} (${adoption.detail})`);
    } catch (error) {
      allBack = false;
      states.push(`${consumer.name}: NOT back, ${(error as Error).message}`);
    }
  }
  if (touched.length === 0) states.push("no consumer was touched");
  for (const [index, session] of sessions.entries()) {
    // Only what is seen counts: with dependents of the program nobody has looked at what those use now.
    const known =
      !rollout.hasDependents &&
      isPinned(rollout) &&
      (touched.length === rollout.consumers.length || isSettled(before[index], session));
    if (!allBack || !known) continue;
    await session.commit((next) => confirmIn(next, rollout, next.active ?? 0, session.now), {
      step: "confirmed",
      version: session.ledger.active,
      reason: `rollout ${rollout.name} of ${rollout.stack} is back`,
    });
  }
  return states;
}

function isSettled(before: readonly (number | "unknown")[] | undefined, session: Session): boolean {
  return before?.length === 1 && before[0] === session.ledger.active;
}

function contextOf(sessions: readonly Session[]) {
  const first = sessions[0];
  if (!first) throw new StateError("A rollout needs at least one secret.");
  return first.context;
}

/** Alarms over versions that live on for too long, of the secrets that the stack owns. */
export async function raiseAlarmsOf(secrets: readonly UsedSecret[], stack: string): Promise<Error | undefined> {
  return withSessions(secrets, async (sessions) => {
    const alarms: Error[] = [];
    for (const session of sessions) {
      if (!session.hasLedger || session.ledger.owner.stack !== stack) continue;
      const alarm = await raiseAlarms(session);
      if (alarm) alarms.push(alarm);
    }
    return alarms.length === 0 ? undefined : new RotationError(alarms.map((alarm) => alarm.message).join("\n"));
  });
}

/**
 * The engine says that an entry is the same rollout under another name, or in a stack that is called otherwise now: its
 * record goes on under the new key, and nothing is left behind.
 */
export async function carryOver(
  secrets: readonly UsedSecret[],
  oldKey: string,
  to: Pick<DeclaredRollout, "key" | "name" | "stack">,
): Promise<void> {
  await withSessions(secrets, async (sessions) => {
    for (const session of sessions) {
      if (!session.hasLedger || session.ledger.status !== "live") continue;
      const record = session.ledger.rollouts[oldKey];
      // A name that is taken is another rollout's, with its own set.
      if (!record || session.ledger.rollouts[to.key]) continue;
      await session.commit(
        (next) => {
          const residue = next.residues[to.key];
          next.rollouts[to.key] = {
            ...record,
            stack: to.stack,
            name: to.name,
            mayUse: [...new Set([...record.mayUse, ...(residue?.mayUse ?? [])])],
          };
          Reflect.deleteProperty(next.rollouts, oldKey);
          Reflect.deleteProperty(next.residues, to.key);
        },
        {
          step: "rollout-renamed",
          version: session.ledger.active,
          reason: `${record.name} of ${record.stack} is ${to.name} of ${to.stack} now`,
        },
      );
    }
  });
}

/** The rollout is gone; what its consumers may be using stays on record (rule 4). */
export async function leave(secrets: readonly UsedSecret[], key: string): Promise<void> {
  await withSessions(secrets, async (sessions) => {
    for (const session of sessions) {
      if (!session.hasLedger) continue;
      const record = session.ledger.rollouts[key];
      if (!record) continue;
      // A ledger that is moving takes along what was left behind.
      const gone = session.ledger.status !== "live" && session.ledger.status !== "moved";
      // Rule 24: the entry of a rollout may be as old as a restored ledger, so that its reference does not show it.
      if (!gone) await holdAgainstStore(session);
      await session.commit(
        (next) => {
          Reflect.deleteProperty(next.rollouts, key);
          if (!gone)
            next.residues[key] = {
              stack: record.stack,
              name: record.name,
              mayUse: record.mayUse,
              pinned: record.pinned,
              leftAt: session.now,
            };
        },
        {
          step: "rollout-left",
          version: session.ledger.active,
          reason: `${record.name} of ${record.stack} may still use ${record.mayUse.map((use) => (use === "unknown" ? "anything" : `v${use}`)).join(", ")}`,
        },
      );
    }
  });
}
