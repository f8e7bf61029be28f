/** Destroys versions of the companion that nothing needs any more: each costs as long as it is there. */
import type { SecretsClient } from "./client";
import type { Parts } from "./labels";
import { CallFailure } from "./failures";

/** What is younger may be what another run has added and not recorded yet. Both times are the service's. */
const LEFT_BEHIND_AFTER_MS = 24 * 3_600_000;

/**
 * @param ledger the version that is the ledger now.
 * @param former the one before, which is needed no more; 0 where there was none.
 * @param sweep whether to look for versions that runs have left behind which were stopped, too.
 */
export async function tidy(
  client: SecretsClient,
  parts: Parts,
  ledger: number,
  former: number,
  sweep: boolean,
): Promise<void> {
  const { companion, context, location } = parts;
  try {
    if (former > 0) await companion.destroy([former]);
    if (sweep) await companion.destroy(await leftBehind(client, parts, ledger));
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    // What was to be done is done. They are found again by a later run.
    context.log.warn(
      `${location}: versions of the secret ${companion.id} that are not needed any more could not be destroyed ` +
        `(${error.method}: ${error.status}); they go on costing until a later run can`,
    );
  }
}

async function leftBehind(client: SecretsClient, { companion }: Parts, ledger: number): Promise<readonly number[]> {
  const enabled = await client.listEnabled(companion.id);
  const rotation = await companion.read();
  const needed = new Set([rotation.ledger, ...rotation.versions.flatMap(({ document }) => document)]);
  const newest = Math.max(0, ...enabled.map(({ createdAt }) => createdAt));
  return enabled
    .filter(
      ({ number, createdAt }) => number < ledger && !needed.has(number) && createdAt < newest - LEFT_BEHIND_AFTER_MS,
    )
    .map(({ number }) => number);
}
