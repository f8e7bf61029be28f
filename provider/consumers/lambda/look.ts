/** How things are: what the alias names, and what $LATEST is. Changes nothing. */
import type { AdapterContext } from "../../contracts/context";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import type { RollTarget } from "../../contracts/consumer";
import { describeDuration } from "../../lifecycle/duration";
import type { Api } from "./api";
import { carries, type Configuration } from "./configuration";
import { DEFAULT_INTERVAL, DEFAULT_READY_TIMEOUT, type LambdaConsumerOptions } from "./options";
import type { Reference } from "./templates";

/** What every step works with. */
export interface Work {
  readonly api: Api;
  readonly options: LambdaConsumerOptions;
  readonly context: AdapterContext;
  readonly target: RollTarget;
  readonly reference: Reference;
}

export interface Alias {
  /** Which version the requests meet that no weight takes away. */
  readonly main: string;
  /** The version that gets a share of the requests, and how large it is, from 0 to 1. */
  readonly other: { readonly version: string; readonly weight: number } | undefined;
  readonly revision: string | undefined;
}

export interface Seen {
  readonly alias: Alias;
  readonly main: Configuration;
  readonly other: Configuration | undefined;
}

export async function look(work: Work): Promise<Seen> {
  const alias = await lookAtAlias(work);
  const [main, other] = await Promise.all([
    configurationOf(work, alias.main),
    alias.other === undefined ? undefined : configurationOf(work, alias.other.version),
  ]);
  return { alias, main, other };
}

/** Whether every request meets the reference. */
export function serves({ main, other }: Seen, reference: Reference): boolean {
  return carries(main, reference) && (other === undefined || carries(other, reference));
}

export async function lookAtAlias({ api, options }: Work): Promise<Alias> {
  const answer = await api.call("getAlias", { Name: options.alias });
  return aliasOf(answer);
}

export function aliasOf(answer: {
  readonly FunctionVersion?: string | undefined;
  readonly RoutingConfig?:
    { readonly AdditionalVersionWeights?: Readonly<Record<string, number>> | undefined } | undefined;
  readonly RevisionId?: string | undefined;
}): Alias {
  const weights = Object.entries(answer.RoutingConfig?.AdditionalVersionWeights ?? {});
  // An alias names two versions at most: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
  const [version, weight] = weights.find(([, share]) => share > 0) ?? [];
  return {
    main: answer.FunctionVersion ?? "$LATEST",
    other: version === undefined || weight === undefined ? undefined : { version, weight },
    revision: answer.RevisionId,
  };
}

export function describeAlias({ main, other }: Alias): string {
  return other === undefined
    ? `version ${main} alone`
    : `version ${main}, and version ${other.version} for ${Math.round(other.weight * 100)}% of the requests`;
}

/** @param version absent: $LATEST. */
export function configurationOf({ api }: Work, version?: string): Promise<Configuration> {
  return api.call("getFunctionConfiguration", version === undefined ? {} : { Qualifier: version });
}

/**
 * Waits until Lambda has come to an end with what it does with the version; that may be a failure.
 * https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
 *
 * @param settled which answers count; absent: any that is not in progress.
 * @throws ConsumerError when it takes too long.
 */
export async function untilSettled(
  work: Work,
  version: string | undefined,
  settled: (configuration: Configuration) => boolean = () => true,
): Promise<Configuration> {
  const { options, context, target } = work;
  const what = version === undefined ? "$LATEST" : `version ${version}`;
  const timeoutMs = durationMs(options.readyTimeout, DEFAULT_READY_TIMEOUT);
  const good = (seen: Configuration) =>
    seen.State !== "Pending" && seen.LastUpdateStatus !== "InProgress" && settled(seen);
  const seen = await waitUntil(
    {
      what: `${what} of the function ${options.functionName} (consumer "${options.name}")`,
      intervalMs: durationMs(options.interval, DEFAULT_INTERVAL),
      timeoutMs,
      ask: () => configurationOf(work, version),
      good,
      describe: describeState,
    },
    context,
  );
  if (good(seen)) return seen;
  throw new ConsumerError(
    `Consumer "${options.name}": ${what} of the function ${options.functionName} was not ready for ` +
      `${describeTarget(target)} within ${describeDuration(timeoutMs)}; it is ${describeState(seen)}. The alias ` +
      `${options.alias} was not moved to it. See why Lambda takes so long, or raise \`readyTimeout\`, then run again.`,
  );
}

function describeState({ State = "Active", LastUpdateStatus = "Successful" }: Configuration): string {
  return `${State}, its last update ${LastUpdateStatus}`;
}

/** What AWS says of a failure, without a value of the target or of a variable. */
export function reasonOf(
  { target }: Work,
  code: string | undefined,
  reason: string | undefined,
  variables: readonly string[] = [],
): string {
  const redact = redactorFor(target, variables);
  const words = [code, reason].filter((part) => part !== undefined && part !== "").join(": ");
  return words === "" ? "AWS gives no reason" : cut(redact(words));
}

const LONGEST = 400;

export function cut(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 3)}...` : line;
}
