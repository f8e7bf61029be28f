/** Loads Google's clients when they are first needed: only programs that use Cloud Run have to install them. */
import type * as Run from "@google-cloud/run";
import type * as Secrets from "@google-cloud/secret-manager";
import { clientSettings } from "../../net/gcp/client";
import { loadOptional } from "../../net/optionalPackage";
import { addressOf, type CloudRunConsumerOptions } from "./options";

const RUN = "@google-cloud/run";
const SECRETS = "@google-cloud/secret-manager";

export function loadRun(load: () => Promise<unknown> = () => import("@google-cloud/run")): Promise<typeof Run> {
  return loadOptional(load, missing(RUN));
}

export function loadSecrets(
  load: () => Promise<unknown> = () => import("@google-cloud/secret-manager"),
): Promise<typeof Secrets> {
  return loadOptional(load, missing(SECRETS));
}

export async function makeServices({ endpoint, insecure }: CloudRunConsumerOptions): Promise<Run.ServicesClient> {
  const { ServicesClient } = await loadRun();
  return new ServicesClient(clientSettings(RUN, addressOf(endpoint), insecure === true));
}

export async function makeRevisions({ endpoint, insecure }: CloudRunConsumerOptions): Promise<Run.RevisionsClient> {
  const { RevisionsClient } = await loadRun();
  return new RevisionsClient(clientSettings(RUN, addressOf(endpoint), insecure === true));
}

export async function makeSecrets(options: CloudRunConsumerOptions): Promise<Secrets.SecretManagerServiceClient> {
  const { SecretManagerServiceClient } = await loadSecrets();
  return new SecretManagerServiceClient(
    clientSettings(SECRETS, addressOf(options.secretsEndpoint), options.insecure === true),
  );
}

function missing(name: string): string {
  return `A consumer on Cloud Run needs the package "${name}", which is not installed. Run: npm install ${name}`;
}
