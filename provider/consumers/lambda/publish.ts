/** Makes a published version of the function that carries a reference, or finds the one that was made before. */
import { ConsumerError } from "../../lifecycle/errors";
import { describeTarget } from "../../net/target";
import { carries, differences, findVersion, variablesOf, type Configuration } from "./configuration";
import { Refused } from "./failures";
import { configurationOf, reasonOf, untilSettled, type Work } from "./look";
import { descriptionFor } from "./marks";

/** AWS's own largest page: https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html */
const PAGE = 50;

/** All published versions, and $LATEST. The list tells nothing of their states. */
export async function listVersions({ api }: Work): Promise<readonly Configuration[]> {
  const found: Configuration[] = [];
  let marker: string | undefined;
  do {
    const page = await api.call("listVersionsByFunction", {
      MaxItems: PAGE,
      ...(marker === undefined ? {} : { Marker: marker }),
    });
    found.push(...(page.Versions ?? []));
    marker = page.NextMarker;
  } while (marker !== undefined && marker !== "");
  return found;
}

/**
 * @param like what the alias names now: nothing but the reference is changed.
 * @returns a version that is not pending, and has not failed.
 */
export async function versionFor(work: Work, like: Configuration): Promise<Configuration> {
  const found = findVersion(await listVersions(work), like, work.reference);
  const version = found ?? (await publish(work, like));
  const ready = await untilSettled(work, version);
  if (ready.State !== "Failed") return ready;
  const { options, target } = work;
  throw new ConsumerError(
    `Consumer "${options.name}": version ${version} of the function ${options.functionName}, made for ` +
      `${describeTarget(target)}, cannot run: ${reasonOf(work, ready.StateReasonCode, ready.StateReason, valuesOf(ready))}. ` +
      `The alias ${options.alias} was not moved to it. Remove the cause, then run again.`,
  );
}

async function publish(work: Work, like: Configuration): Promise<string> {
  const { api, options, context, target, reference } = work;
  let latest = await untilSettled(work, undefined);
  refuseUnreleased(work, latest, like);
  if (!carries(latest, reference) || latest.LastUpdateStatus === "Failed") {
    latest = await configure(work, latest);
  }
  const published = await api.call("publishVersion", {
    Description: descriptionFor(options.alias, target),
    // Of this code and this configuration only: a change by somebody else is seen, not released.
    ...(latest.CodeSha256 === undefined ? {} : { CodeSha256: latest.CodeSha256 }),
    ...(latest.RevisionId === undefined ? {} : { RevisionId: latest.RevisionId }),
  });
  const { Version } = published;
  if (Version === undefined || !carries(published, reference))
    throw new Refused("changed", "another version was published", `publishing ${options.functionName}`);
  context.log.info(
    `Consumer "${options.name}": version ${Version} of the function ${options.functionName} has ${describeTarget(target)}.`,
  );
  return Version;
}

/**
 * Puts the reference into the variables of $LATEST, and leaves all else of it as it is.
 * @param latest as it was seen last; it is not in progress.
 */
export async function configure(work: Work, latest: Configuration): Promise<Configuration> {
  const { api, options, target, reference } = work;
  await api.call("updateFunctionConfiguration", {
    Environment: { Variables: { ...variablesOf(latest), ...reference } },
    ...(latest.RevisionId === undefined ? {} : { RevisionId: latest.RevisionId }),
  });
  // An answer without the reference is older than the update.
  const updated = await untilSettled(work, undefined, (seen) => carries(seen, reference));
  if (updated.LastUpdateStatus !== "Failed") return updated;
  const { LastUpdateStatusReasonCode, LastUpdateStatusReason } = updated;
  throw new ConsumerError(
    `Consumer "${options.name}": Lambda could not update the function ${options.functionName} to ` +
      `${describeTarget(target)}: ` +
      `${reasonOf(work, LastUpdateStatusReasonCode, LastUpdateStatusReason, valuesOf(updated))}. Nothing was published ` +
      `of it, and the alias ${options.alias} was not moved to it. Remove the cause, then run again.`,
  );
}

/** $LATEST as the reference says, so that whoever publishes it next publishes no other one. */
export async function restoreLatest(work: Work): Promise<void> {
  const seen = await configurationOf(work);
  if (carries(seen, work.reference)) return;
  await configure(work, await untilSettled(work, undefined));
}

/** To publish what nobody has released would make a deployment of a rotation. */
function refuseUnreleased({ options, target, reference }: Work, latest: Configuration, like: Configuration): void {
  if (options.unreleased === "publish") return;
  const other = differences(latest, like, reference);
  if (other.length === 0) return;
  throw new ConsumerError(
    `Consumer "${options.name}": $LATEST of the function ${options.functionName} differs from version ` +
      `${like.Version ?? "?"}, which the alias ${options.alias} names, in more than ${describeTarget(target)}: ` +
      `${other.join(", ")}. Nothing was published, because that would release what nobody has released, and the alias is as it was. ` +
      'Release it, or put it back, then run again; or set `unreleased` to "publish".',
  );
}

export function valuesOf(configuration: Configuration): string[] {
  return Object.values(variablesOf(configuration));
}
