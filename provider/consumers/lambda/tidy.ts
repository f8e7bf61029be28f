/** Deletes published versions of the consumer's own that nobody needs, where the options say how many to keep. */
import { RotationError, UnreachableError } from "../../lifecycle/errors";
import { isPublished, numberOf, type Configuration } from "./configuration";
import type { Work } from "./look";
import { isOurs } from "./marks";
import { listVersions } from "./publish";

/** What fails here has no bearing on the rollout. */
export async function tidy(work: Work): Promise<void> {
  const { api, options, context } = work;
  const { keepVersions } = options;
  if (keepVersions === undefined) return;
  try {
    const named = await namedVersions(work);
    for (const version of surplus(await listVersions(work), named, options.alias, keepVersions)) {
      await api.call("deleteFunction", { Qualifier: version });
      context.log.info(`Consumer "${options.name}": deleted version ${version} of ${options.functionName}.`);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof RotationError) || error instanceof UnreachableError) throw error;
    context.log.warn(`Consumer "${options.name}": versions that nobody needs are still there. ${error.message}`);
  }
}

/** The oldest of ours, beyond those to keep; none that an alias names, and none that is not ours. Pure. */
export function surplus(
  versions: readonly Configuration[],
  named: ReadonlySet<string>,
  alias: string,
  keep: number,
): string[] {
  return versions
    .filter((version) => isPublished(version) && isOurs(version, alias) && !named.has(version.Version ?? ""))
    .map(numberOf)
    .sort((a, b) => b - a)
    .slice(keep)
    .map(String);
}

/** By any alias of the function. */
async function namedVersions({ api }: Work): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  let marker: string | undefined;
  do {
    const page = await api.call("listAliases", marker === undefined ? {} : { Marker: marker });
    for (const { FunctionVersion, RoutingConfig } of page.Aliases ?? []) {
      if (FunctionVersion !== undefined) named.add(FunctionVersion);
      for (const version of Object.keys(RoutingConfig?.AdditionalVersionWeights ?? {})) named.add(version);
    }
    marker = page.NextMarker;
  } while (marker !== undefined && marker !== "");
  return named;
}
