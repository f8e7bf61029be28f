/** Moves the alias: at once, or by weights, and back at once. */
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import { numberOf } from "./configuration";
import { aliasOf, describeAlias, lookAtAlias, type Alias, type Work } from "./look";
import { DEFAULT_STEP_INTERVAL } from "./options";

/** How often is looked whether somebody else has changed the alias in a step. */
const LOOK_EVERY_MS = 10_000;

export async function moveAlias(work: Work, from: Alias, to: string): Promise<void> {
  const { options, context, target } = work;
  let alias = from;
  // A step that was on when the run was killed is begun anew.
  if (isStep(alias, to) && stepsLeft(options.weights, alias, to).length > 0) await hold(work, alias);
  for (const percent of stepsLeft(options.weights, alias, to)) {
    const before = alias;
    alias = await update(work, alias, { main: alias.main, other: { version: to, weight: percent / 100 } });
    context.log.info(
      `Consumer "${options.name}": the alias ${options.alias} gives ${percent}% of the requests to version ${to}.`,
    );
    await hold(work, alias, before);
  }
  await update(work, alias, { main: to, other: undefined });
  context.log.info(
    `Consumer "${options.name}": the alias ${options.alias} names version ${to}, for ${describeTarget(target)}.`,
  );
}

function isStep(alias: Alias, to: string): boolean {
  return alias.other?.version === to;
}

/** Published versions are numbered in their order. Pure. */
export function isReturn(alias: Alias, to: string): boolean {
  return numberOf({ Version: to }) <= numberOf({ Version: alias.main });
}

/** A return is not to take longer than it has to. Pure. */
export function stepsLeft(weights: readonly number[] | undefined, alias: Alias, to: string): readonly number[] {
  if (weights === undefined || isReturn(alias, to)) return [];
  const reached = isStep(alias, to) ? (alias.other?.weight ?? 0) * 100 : 0;
  return weights.filter((percent) => percent > reached + 0.01);
}

async function update(work: Work, seen: Alias, to: Omit<Alias, "revision">): Promise<Alias> {
  const { api, options } = work;
  const answer = await api.call("updateAlias", {
    Name: options.alias,
    FunctionVersion: to.main,
    RoutingConfig: {
      AdditionalVersionWeights: to.other === undefined ? {} : { [to.other.version]: to.other.weight },
    },
    ...(seen.revision === undefined ? {} : { RevisionId: seen.revision }),
  });
  return aliasOf(answer);
}

/** Keeps a step for its time. Whether the function is well meanwhile is for the rollout's checks to say, afterwards. */
async function hold(work: Work, held: Alias, before?: Alias): Promise<void> {
  const { options, context } = work;
  const timeoutMs = durationMs(options.stepInterval, DEFAULT_STEP_INTERVAL);
  // An answer of the revision before is older than the step.
  const isHeld = (now: Alias) => isSame(now, held) || (before !== undefined && now.revision === before.revision);
  const seen = await waitUntil(
    {
      what: `the next step of the alias ${options.alias} of consumer "${options.name}"`,
      intervalMs: Math.min(timeoutMs, LOOK_EVERY_MS),
      timeoutMs,
      ask: () => lookAtAlias(work),
      good: (now) => !isHeld(now),
      describe: describeAlias,
    },
    context,
  );
  if (isHeld(seen)) return;
  throw new ConsumerError(
    `Consumer "${options.name}": somebody else changed the alias ${options.alias} while its requests were moved step by ` +
      `step: it names ${describeAlias(seen)}, and was to name ${describeAlias(held)}. It was left like that. See who ` +
      "changes it, then run again.",
  );
}

function isSame(a: Alias, b: Alias): boolean {
  return a.main === b.main && a.other?.version === b.other?.version && a.other?.weight === b.other?.weight;
}
