/** Before the first write: the two secrets are there, and nothing about them loses what a return needs. */
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, UnreachableError } from "../../lifecycle/errors";
import type { SecretsClient } from "./client";
import type { SecretInfo } from "./messages";

const LABELS = { "managed-by": "pulumi-rotating-secrets" } as const;
const ATTEMPTS = 6;
const FIRST_WAIT_MS = 100;

/** @returns the secret as it is there now. */
export async function prepare(
  client: SecretsClient,
  context: AdapterContext,
  id: string,
  location: string,
): Promise<SecretInfo> {
  const info = (await client.getSecret(id)) ?? (await make(client, context, id));
  if (info.expiresAt !== undefined)
    throw new ConfigurationError(
      `The secret ${id} of the store ${location} deletes itself on ${new Date(info.expiresAt).toISOString()}, with all ` +
        "versions in it. Nothing was changed. Take the expiration away " +
        `(gcloud secrets update ${id} --remove-expiration), then run again.`,
    );
  if (info.destroyDelayMs !== undefined && info.destroyDelayMs > 0)
    context.log.warn(
      `${location}: the secret ${id} delays the destruction of its versions by ${describeDuration(info.destroyDelayMs)} ` +
        "(version_destroy_ttl): a retired version is only disabled at first, can be had back, and costs, until then.",
    );
  return info;
}

async function make(client: SecretsClient, context: AdapterContext, id: string): Promise<SecretInfo> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    // Somebody else may have been faster, and what they made not be seen everywhere yet.
    const info = (await client.createSecret(id, LABELS)) ?? (await client.getSecret(id));
    if (info !== undefined) return info;
    await context.clock.sleep(FIRST_WAIT_MS * 2 ** (attempt - 1) * Math.random(), context.signal);
  }
  throw new UnreachableError(
    `The secret ${id} exists and does not: Secret Manager has not shown everywhere yet that it was made or deleted. ` +
      "Nothing was changed. Run again in some minutes.",
  );
}
