/** The engine's calls on a `Rollout`. */
import { checkAdapter } from "../adapters";
import type { HealthCheck } from "../contracts/check";
import type { Consumer } from "../contracts/consumer";
import { rolloutKey } from "../lifecycle/confirmation";
import { decodeLedger } from "../lifecycle/ledger";
import { containsUnknown, durationMs, failuresOf, type CheckFailure } from "../inputs/common";
import { rolloutInputs, type RolloutInputs } from "../inputs/rollout";
import * as registry from "../registry";
import { digestOf } from "../rotation/fingerprint";
import { leave, needsRollout, rollOut, type DeclaredRollout, type RolloutReport, type UsedSecret } from "../rotation/rollout";
import type { Runtime } from "../runtime";

type Properties = Record<string, unknown>;

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
    return [...missingEvidence(inputs, consumers, checks), ...tooShortIntervals(inputs, checks), ...sameNameTwice(consumers, checks)];
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
    const key = rolloutKey(inputs.stack, inputs.name);
    const open = await Promise.all(
      inputs.secrets.map(async (secret) => {
        const store = await runtime.store(secret.store);
        return needsRollout(decodeLedger((await store.load()).body, store.location), key);
      }),
    );
    const changed = digestOf(inputsIn(olds)) !== digestOf(withoutProvider(news));
    return { changes: changed || open.includes(true) };
  }

  async function run(news: Properties) {
    const inputs = rolloutInputs.parse(withoutProvider(news));
    const rollout = await declared(inputs);
    const report = await rollOut(rollout);
    runtime.context.log.info(`${inputs.name}: confirmed ${Object.entries(report.confirmed).map(([name, version]) => `${name} v${version}`).join(", ")}`);
    return { key: rollout.key, outs: { ...withoutProvider(news), ...outputsOf(report) } };
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
    return Promise.all(secrets.map(async (secret) => ({ parts: await runtime.parts(secret, stack), ref: secret.ref })));
  }

  async function create(news: Properties) {
    const { key, outs } = await run(news);
    return { id: key, outs };
  }

  async function update(_id: string, olds: Properties, news: Properties) {
    const { key, outs } = await run(news);
    await leaveWhatIsNoLongerNamed(olds, news, key);
    return { outs };
  }

  /** A secret taken out of the rollout, or a rollout renamed: what it left behind stays on record (rule 4). */
  async function leaveWhatIsNoLongerNamed(olds: Properties, news: Properties, key: string): Promise<void> {
    const before = rolloutInputs.parse(inputsIn(olds));
    const now = rolloutInputs.parse(withoutProvider(news));
    const oldKey = rolloutKey(before.stack, before.name);
    const named = new Set(now.secrets.map((secret) => digestOf(secret.store)));
    const gone = before.secrets.filter((secret) => oldKey !== key || !named.has(digestOf(secret.store)));
    if (gone.length > 0) await leave(await used(gone, before.stack), oldKey);
  }

  async function remove(_id: string, olds: Properties) {
    const inputs = rolloutInputs.parse(inputsIn(olds));
    await leave(await used(inputs.secrets, inputs.stack), rolloutKey(inputs.stack, inputs.name));
  }

  return { check, diff, create, update, delete: remove };
}

const OUTPUTS_ONLY = ["confirmed", "health"];

function inputsIn(olds: Properties): Properties {
  return Object.fromEntries(Object.entries(withoutProvider(olds)).filter(([name]) => !OUTPUTS_ONLY.includes(name)));
}

function outputsOf(report: RolloutReport): Properties {
  return {
    confirmed: report.confirmed,
    health: report.health.map(({ name, healthy, samples, unhealthySamples, lastDetail }) => ({
      name,
      healthy,
      samples,
      unhealthySamples,
      lastDetail,
    })),
  };
}

function withoutProvider(properties: Properties): Properties {
  const { __provider: _provider, ...rest } = properties;
  return rest;
}

async function checkAdapters(inputs: RolloutInputs): Promise<CheckFailure[]> {
  const found = await Promise.all([
    ...inputs.consumers.map((options, index) => checkAdapter(registry.consumers, options, "consumer", ["consumers", index])),
    ...inputs.checks.map((options, index) => checkAdapter(registry.checks, options, "check", ["checks", index])),
    ...inputs.secrets.flatMap((secret, index) => [
      checkAdapter(registry.stores, secret.store, "store", ["secrets", index, "store"]),
      checkAdapter(registry.kinds, secret.kind, "credential kind", ["secrets", index, "kind"]),
    ]),
  ]);
  return found.flat();
}

/** Rule 6: a rollout without a source of evidence cannot confirm anything, unless the program says so. */
function missingEvidence(inputs: RolloutInputs, consumers: readonly Consumer[], checks: readonly HealthCheck[]): CheckFailure[] {
  if (inputs.evidence !== "adoption") return [];
  const failures: CheckFailure[] = [];
  const asked = checks.some((one) => one.isEvidence);
  const choices =
    `Add an adoption check (check.adoption), or say evidence: "issuer" (the issuer sees the new version in use and no ` +
    `other), or evidence: "engine" (trust that what was applied is used; audited)`;
  for (const consumer of consumers)
    if (!consumer.hasEvidence && !asked)
      failures.push({ property: "consumers", reason: `consumers: ${consumer.name} has no way to show which version it uses. ${choices}` });
  if (inputs.dependents > 0 && !asked)
    failures.push({ property: "dependents", reason: `dependents: nothing shows which version the ${inputs.dependents} resources of the program use. ${choices}` });
  if (inputs.dependents === 0 && consumers.length === 0 && !asked)
    failures.push({ property: "consumers", reason: `consumers: there is nothing to roll and nothing that shows which version is used. ${choices}` });
  return failures;
}

/** Rule 10: the rollout brings the bake time. */
function tooShortIntervals(inputs: RolloutInputs, checks: readonly HealthCheck[]): CheckFailure[] {
  const bakeMs = Math.max(0, ...checks.map((one) => one.schedule.bakeMs));
  return inputs.secrets.flatMap((secret) => {
    if (!secret.every) return [];
    const busy = durationMs(secret.grace ?? "0s") + durationMs(secret.soak ?? "0s") + bakeMs;
    if (durationMs(secret.every) > busy) return [];
    return [
      {
        property: "checks",
        reason:
          `checks: ${secret.name} is due every ${secret.every}, which is not longer than its grace (${secret.grace}) and ` +
          `soak (${secret.soak}) and the bake time of this rollout (${bakeMs / 1000} s) together. Shorten one of them, or ` +
          `rotate less often`,
      },
    ];
  });
}

function sameSecretTwice(inputs: RolloutInputs): CheckFailure[] {
  return repeated(inputs.secrets.map((secret) => secret.name)).map((name) => ({
    property: "secrets",
    reason: `secrets: ${name} is named twice`,
  }));
}

function sameNameTwice(consumers: readonly Consumer[], checks: readonly HealthCheck[]): CheckFailure[] {
  return [
    ...repeated(consumers.map((one) => one.name)).map((name) => ({ property: "consumers", reason: `consumers: two are named ${name}` })),
    ...repeated(checks.map((one) => one.name)).map((name) => ({ property: "checks", reason: `checks: two are named ${name}; give them names` })),
  ];
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
