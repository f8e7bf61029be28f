/** The inputs of one run, for a site; shared by this process and the one that is stopped. */
import type { Properties } from "../support/miniEngine";
import type { RunSpec } from "./scenarios";

/** What a process needs to know of a site. Plain JSON. */
export interface SiteFacts {
  readonly id: string;
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly appUrl: string;
}

export function secretArgs(site: SiteFacts, { secret = {} }: RunSpec): Properties {
  return {
    name: "orders-db",
    kind: {
      type: "postgresRole",
      host: site.host,
      port: site.port,
      database: site.database,
      admin: { from: "env", name: `PGADMIN_${site.id}` },
      owner: `owner_${site.id}`,
      memberOf: secret["brokenGrants"] ? [] : [`reader_${site.id}`],
      assumeOwner: false,
    },
    store: storeOf(site),
    schedule: { every: "90d" },
    retirement: { grace: "1h", soak: secret["soak"] ?? "1h" },
    ...(secret["adoptRole"]
      ? { adopt: { username: `app_${site.id}`, password: { from: "env", name: "OLD_PASSWORD" } } }
      : {}),
  };
}

export function storeOf(site: SiteFacts): { type: string; [option: string]: unknown } {
  return { type: "file", path: `${site.folder}/store`, key: { keyFile: `${site.folder}/key` } };
}

export function rolloutArgs(site: SiteFacts): (link: Properties) => Properties {
  return (link) => ({
    name: "orders",
    secrets: [link],
    consumers: [
      {
        type: "process",
        name: "app",
        file: `${site.folder}/app.json`,
        adoption: { url: `${site.appUrl}/adoption` },
        adoptionTimeout: "3s",
        interval: "10ms",
      },
    ],
    checks: [{ type: "http", name: "app-health", url: `${site.appUrl}/health`, interval: "20ms", failureThreshold: 2 }],
  });
}
