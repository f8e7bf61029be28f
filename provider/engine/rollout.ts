/** The engine's calls on a `Rollout`. */
import { checkAdapter } from "../adapters";
import type { HealthCheck } from "../contracts/check";
import type { Consumer } from "../contracts/consumer";
import { overdue } from "../lifecycle/alarm";
import { rolloutKey } from "../lifecycle/confirmation";
import { describeDuration } from "../lifecycle/duration";
import { StateError } from "../lifecycle/errors";
import type { LedgerState } from "../lifecycle/ledger";
import { containsUnknown, failuresOf, type CheckFailure } from "../inputs/common";
import { rolloutEntry, rolloutInputs, type RolloutInputs } from "../inputs/rollout";
import * as registry from "../registry";
import { digestOf } from "../rotation/fingerprint";
import {
  carryOver,
  leave,
  needsRollout,
  raiseAlarmsOf,
  rollOut,
  type DeclaredRollout,
  type RolloutReport,
  type UsedSecret,
} from "../rotation/rollout";
import type { Runtime } from "../runtime";
import { isSamePlace, withoutProvider, type Properties } from "./properties";

export function rolloutProvider(runtime: Runtime) {
  async function check(_olds: Properties | undefined, news: Properties) {
    const inputs = withoutProvider(news);
    if (containsUnknown(inputs)) return { inputs };
    const parsed = rolloutInputs.safeParse(inputs);
    if (!parsed.success) return { inputs, failures: failuresOf(parsed.error) };
    const failures = [...(await checkAdapters(parsed.data)), ...sameSecretTwice(parsed.data)];
    // What the adapters say of themselves is only to be had where their options are right.
    if (failures.length === 0) failures.push(...(await contradictions(parsed.data)));
    return { inputs, failures };
  }

  async function contradictions(inputs: RolloutInputs): Promise<CheckFailure[]> {
    const { consumers, checks } = await adapters(inputs);
    const ledgers = await Promise.all(inputs.secrets.map((secret) => runtime.ledgerOf(secret)));
    return [
      ...missingEvidence(inputs, consumers, checks),
      ...ledgers.flatMap((ledger) => tooShortInterval(ledger, checks)),
      ...ledgers.flatMap((ledger) => tooShortGrace(ledger, consumers)),
      ...sameNameTwice(consumers, checks),
    ];
  }

  async function adapters(inputs: RolloutInputs) {
    const [consumers, checks] = await Promise.all([
      Promise.all(inputs.consumers.map((options) => runtime.make(registry.consumers, options, "consumer"))),
      Promise.all(inputs.checks.map((options) => runtime.make(registry.checks, options, "check"))),
    ]);
    return { consumers, checks };
  }

  /** Rule 2: asked of the ledgers, freshly. */
  async function diff(_id: string, olds: Properties, news: Properties) {
    if (containsUnknown(withoutProvider(news))) return { changes: true };
    const inputs = rolloutInputs.parse(withoutProvider(news));
    const ledgers = await Promise.all(inputs.secrets.map((secret) => runtime.ledgerOf(secret)));
    const now = runtime.context.clock.now();
    return {
      changes: hasWork(olds, news, ledgers) || ledgers.some((ledger) => ledger && isAlarming(ledger, inputs, now)),
    };
  }

  /** Rule 2, or other inputs. */
  function hasWork(olds: Properties, news: Properties, ledgers: readonly (LedgerState | null)[]): boolean {
    const { stack, name } = rolloutInputs.parse(withoutProvider(news));
    const key = rolloutKey(stack, name);
    return (
      olds["inputsDigest"] !== digestOf(withoutProvider(news)) || ledgers.some((ledger) => needsRollout(ledger, key))
    );
  }

  /** The alarm is raised by the owning stack, and last in its graph: nothing that could help is kept from running. */
  function isAlarming(ledger: LedgerState, inputs: RolloutInputs, now: number): boolean {
    return ledger.owner.stack === inputs.stack && overdue(ledger, now).length > 0;
  }

  async function run(news: Properties) {
    const inputs = rolloutInputs.parse(withoutProvider(news));
    const rollout = await declared(inputs);
    const report = await rollOut(rollout);
    runtime.context.log.info(
      `${inputs.name}: confirmed ${Object.entries(report.confirmed)
        .map(([name, version]) => `${name} v${version}`)
        .join(", ")}`,
    );
    return { key: rollout.key, outs: outputsOf(inputs, withoutProvider(news), report) };
  }

  async function declared(inputs: RolloutInputs): Promise<DeclaredRollout> {
    return {
      key: rolloutKey(inputs.stack, inputs.name),
      name: inputs.name,
      stack: inputs.stack,
      secrets: await used(inputs.secrets, inputs.stack),
      ...(await adapters(inputs)),
      hasDependents: inputs.dependents > 0,
      evidence: inputs.evidence,
    };
  }

  function used(secrets: RolloutInputs["secrets"], stack: string): Promise<UsedSecret[]> {
    return Promise.all(
      secrets.map(async (secret) => {
        const parts = await runtime.partsOf(secret, stack);
        if (!parts)
          throw new StateError(
            `${secret.name}: there is no ledger where the link of the secret leads. Nothing was changed. Run the stack ` +
              `that owns the secret first.`,
          );
        return { parts, ref: secret.ref };
      }),
    );
  }

  async function create(news: Properties) {
    const { key, outs } = await run(news);
    return { id: key, outs };
  }

  async function update(_id: string, olds: Properties, news: Properties) {
    const inputs = rolloutInputs.parse(withoutProvider(news));
    const ledgers = await Promise.all(inputs.secrets.map((secret) => runtime.ledgerOf(secret)));
    if (!hasWork(olds, news, ledgers)) {
      const alarm = await raiseAlarmsOf(await used(inputs.secrets, inputs.stack), inputs.stack);
      if (alarm) throw alarm;
      return { outs: withoutProvider(olds) };
    }
    const before = rolloutEntry.parse(olds);
    const oldKey = rolloutKey(before.stack, before.name);
    await keepRecord(oldKey, inputs);
    const { key, outs } = await run(news);
    // A secret taken out of the rollout: what it left behind stays on record (rule 4).
    const gone = oldKey === key ? await noLongerNamed(before.secrets, inputs.secrets) : before.secrets;
    await leaveAll(gone, before.stack, oldKey);
    return { outs };
  }

  async function noLongerNamed(before: RolloutInputs["secrets"], now: RolloutInputs["secrets"]) {
    const kept = await Promise.all(
      before.map(async ({ store }) => {
        const same = await Promise.all(now.map((secret) => isSamePlace(runtime, store, secret.store)));
        return same.includes(true);
      }),
    );
    return before.filter((_secret, index) => !kept[index]);
  }

  /** The same entry under another name (an alias), or of a stack that was renamed: nobody has left (rule 4). */
  async function keepRecord(oldKey: string, { name, stack, secrets }: RolloutInputs): Promise<void> {
    const key = rolloutKey(stack, name);
    if (oldKey !== key) await carryOver(await used(await withLedger(secrets), stack), oldKey, { key, name, stack });
  }

  async function remove(_id: string, olds: Properties) {
    const { name, stack, secrets } = rolloutEntry.parse(olds);
    await leaveAll(secrets, stack, rolloutKey(stack, name));
  }

  /** A secret without a ledger has nothing to be left. */
  async function leaveAll(secrets: RolloutInputs["secrets"], stack: string, key: string): Promise<void> {
    const left = await withLedger(secrets);
    if (left.length > 0) await leave(await used(left, stack), key);
  }

  async function withLedger(secrets: RolloutInputs["secrets"]): Promise<RolloutInputs["secrets"]> {
    const there = await Promise.all(secrets.map(async (secret) => ((await runtime.ledgerOf(secret)) ? [secret] : [])));
    return there.flat();
  }

  return { check, diff, create, update, delete: remove };
}

/** Only what `diff()` and `delete()` need: the engine keeps the inputs beside it. */
function outputsOf(inputs: RolloutInputs, news: Properties, report: RolloutReport): Properties {
  const { name, stack, secrets } = inputs;
  return {
    name,
    stack,
    secrets,
    inputsDigest: digestOf(news),
    confirmed: report.confirmed,
    health: report.health.map(resultOf),
  };
}

/** Small, because the engine keeps it, with times as people read them. */
function resultOf(report: RolloutReport["health"][number]): Properties {
  const { name, healthy, samples, unhealthySamples, lastDetail, unhealthyBefore, value, valueBefore } = report;
  const time = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
  const maybe = {
    unhealthyBefore,
    value,
    valueBefore,
    firstHealthyAt: time(report.firstHealthyAt),
    lastAt: time(report.lastAt),
  };
  const known = Object.entries(maybe).filter(([, fact]) => fact !== undefined);
  return { name, healthy, samples, unhealthySamples, lastDetail, ...Object.fromEntries(known) };
}

async function checkAdapters(inputs: RolloutInputs): Promise<CheckFailure[]> {
  const found = await Promise.all([
    ...inputs.consumers.map((options, index) =>
      checkAdapter(registry.consumers, options, "consumer", ["consumers", index]),
    ),
    ...inputs.checks.map((options, index) => checkAdapter(registry.checks, options, "check", ["checks", index])),
    ...inputs.secrets.map((secret, index) =>
      checkAdapter(registry.stores, secret.store, "store", ["secrets", index, "store"]),
    ),
  ]);
  return found.flat();
}

/** Rule 6: a rollout without a source of evidence cannot confirm anything, unless the program says so. */
function missingEvidence(
  inputs: RolloutInputs,
  consumers: readonly Consumer[],
  checks: readonly HealthCheck[],
): CheckFailure[] {
  if (inputs.evidence !== "adoption") return [];
  const failures: CheckFailure[] = [];
  const asked = checks.some((one) => one.isEvidence);
  const choices =
    `Add an adoption check (check.adoption), or say evidence: "issuer" (the issuer sees the new version in use and no ` +
    `other), or evidence: "engine" (trust that what was applied is used; audited)`;
  for (const consumer of consumers)
    if (!consumer.hasEvidence && !asked)
      failures.push({
        property: "consumers",
        reason: `consumers: ${consumer.name} has no way to show which version it uses. ${choices}`,
      });
  const looked = consumers.some((consumer) => consumer.isDeclared && consumer.hasEvidence);
  if (inputs.dependents > 0 && !asked && !looked)
    failures.push({
      property: "dependents",
      reason: `dependents: nothing shows which version the ${inputs.dependents} resources of the program use. ${choices}`,
    });
  if (inputs.dependents === 0 && consumers.length === 0 && !asked)
    failures.push({
      property: "consumers",
      reason: `consumers: there is nothing to roll and nothing that shows which version is used. ${choices}`,
    });
  return failures;
}

/** Rule 10: the rollout brings the bake time. */
function tooShortInterval(ledger: LedgerState | null, checks: readonly HealthCheck[]): CheckFailure[] {
  if (!ledger?.declared.everyMs) return [];
  const { everyMs, graceMs, soakMs } = ledger.declared;
  const bakeMs = Math.max(0, ...checks.map((one) => one.schedule.bakeMs));
  if (everyMs > graceMs + soakMs + bakeMs) return [];
  return [
    {
      property: "checks",
      reason:
        `checks: ${ledger.secret} is due every ${describeDuration(everyMs)}, which is not longer than its grace ` +
        `(${describeDuration(graceMs)}), its soak (${describeDuration(soakMs)}) and the bake time of this rollout ` +
        `(${describeDuration(bakeMs)}) together. Shorten one of them, or rotate less often`,
    },
  ];
}

/** Rule 10: the rollout knows how long its consumers go on with what they have read. */
function tooShortGrace(ledger: LedgerState | null, consumers: readonly Consumer[]): CheckFailure[] {
  if (!ledger) return [];
  const { graceMs } = ledger.declared;
  return consumers
    .filter(({ readersCacheMs = 0 }) => readersCacheMs > graceMs)
    .map(({ name, readersCacheMs = 0 }) => ({
      property: "consumers",
      reason:
        `consumers: ${name} goes on with what it has read for ${describeDuration(readersCacheMs)} (readersCache), which ` +
        `is longer than the grace of ${ledger.secret} (${describeDuration(graceMs)}). Make retirement.grace of the ` +
        `secret at least as long, and run the stack ${ledger.owner.stack} first`,
    }));
}

function sameSecretTwice(inputs: RolloutInputs): CheckFailure[] {
  const twice = (what: string) => ({ property: "secrets", reason: `secrets: ${what} is named twice; once is enough` });
  const names = repeated(inputs.secrets.map((secret) => secret.name)).map(twice);
  const stores = repeated(inputs.secrets.map((secret) => digestOf(secret.store)));
  return names.length > 0 || stores.length === 0 ? names : [twice("one store")];
}

function sameNameTwice(consumers: readonly Consumer[], checks: readonly HealthCheck[]): CheckFailure[] {
  return [
    ...repeated(consumers.map((one) => one.name)).map((name) => ({
      property: "consumers",
      reason: `consumers: two are named ${name}`,
    })),
    ...repeated(checks.map((one) => one.name)).map((name) => ({
      property: "checks",
      reason: `checks: two are named ${name}; give them names`,
    })),
  ];
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
