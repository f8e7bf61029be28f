/** The calls that the consumer makes, answered in the API's own messages. */
import type { RevisionsClient, ServicesClient } from "@google-cloud/run";
import type { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import type { AdapterContext } from "../../contracts/context";
import { GcpCalls } from "../../net/gcp/client";
import { hasStatus } from "../../net/gcp/status";
import { durationMs } from "../../net/options";
import type { Method } from "./failures";
import type { Revision, Service } from "./messages";
import type { Change } from "./nextStep";
import type { CloudRunConsumerOptions } from "./options";
import { makeRevisions, makeSecrets, makeServices } from "./sdk";

/** A secret's own record, of which only this is looked at. */
export interface SecretRecord {
  /** Names the project by its number. */
  readonly name?: string | null;
  readonly annotations?: Readonly<Record<string, string>> | null;
}

export class CloudRunClient {
  private readonly services: GcpCalls<ServicesClient>;
  private readonly revisions: GcpCalls<RevisionsClient>;
  private readonly secrets: GcpCalls<SecretManagerServiceClient>;
  private readonly name: string;

  constructor(
    private readonly options: CloudRunConsumerOptions,
    context: AdapterContext,
  ) {
    const { project, region, service, callTimeout } = options;
    // As long as the client itself gives a change: services_client_config.json of @google-cloud/run.
    const timeoutMs = durationMs(callTimeout, "15s");
    this.name = `projects/${project}/locations/${region}/services/${service}`;
    this.services = new GcpCalls(() => makeServices(options), timeoutMs, context);
    this.revisions = new GcpCalls(() => makeRevisions(options), timeoutMs, context);
    this.secrets = new GcpCalls(() => makeSecrets(options), timeoutMs, context);
  }

  getService(): Promise<Service> {
    const method: Method = "getService";
    const call = { method, subject: this.options.service, request: { name: this.name }, again: "repeat" } as const;
    return this.services.call<Service>({ ...call, routing: this.routing });
  }

  /** Only what is given is changed, and only where nobody has changed anything since. */
  async updateService({ etag }: Service, { template, traffic, annotations }: Change): Promise<void> {
    const method: Method = "updateService";
    const paths = [...(template === undefined ? [] : ["template"]), "traffic", "annotations"];
    const service = { name: this.name, etag, template, traffic, annotations };
    const request = { service, updateMask: { paths } };
    const call = { method, subject: this.options.service, request, again: "once" } as const;
    await this.services.call({ ...call, routing: this.routing });
  }

  /** @param revision its short name. @returns `undefined` where there is none. */
  async getRevision(revision: string): Promise<Revision | undefined> {
    const method: Method = "getRevision";
    const request = { name: `${this.name}/revisions/${revision}` };
    try {
      const call = { method, subject: revision, request, again: "repeat" } as const;
      return await this.revisions.call<Revision>({ ...call, routing: this.routing });
    } catch (error) {
      if (hasStatus(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  getSecret(project: string, id: string): Promise<SecretRecord> {
    const method: Method = "getSecret";
    const name = `projects/${project}/secrets/${id}`;
    return this.secrets.call({ method, subject: id, request: { name }, routing: { name }, again: "repeat" });
  }

  async close(): Promise<void> {
    await Promise.all([this.services.close(), this.revisions.close(), this.secrets.close()]);
  }

  private get routing(): Readonly<Record<string, string>> {
    return { location: this.options.region };
  }
}
