/** The program of a site, as the engine would hand its inputs on; shared by this process and the one that is stopped. */
import type { Properties } from "../support/miniEngine";
import { CHECKED } from "./roles";

/** What a process needs to know of a site. Plain JSON. */
export interface SiteFacts {
  readonly id: string;
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly appUrl: string;
  /** Where the secret lives, if not in a folder of the site. */
  readonly remote?: RemoteStore;
  /** When everything issued so far was suspected to be compromised. */
  suspectedAt?: number;
}

/** What is different from the usual program. Plain JSON. */
export interface Program {
  /** A version is issued without the rights that a check asks for. */
  readonly brokenGrants?: boolean;
  readonly soak?: string;
  /** The role that the app uses before there is a secret is adopted. */
  readonly adoptRole?: boolean;
  readonly replica?: boolean;
  /** The name of the store's folder. */
  readonly store?: string;
  readonly migrateFrom?: string;
  /** The store can disable, and names what it promotes. */
  readonly namedStore?: boolean;
  /** The issuer chooses the passwords. */
  readonly minted?: boolean;
  /** Tells of the suspected compromise (`suspectedAt` of the site). */
  readonly compromised?: boolean;
  /** Tells of it with `revokeFirst`. */
  readonly revokeFirst?: boolean;
  /** How long a superseded version may live on. */
  readonly alarmAfter?: string;
  /** The rollout's name; `null`: there is none. */
  readonly rollout?: string | null;
  /** Resources of the program use the secret, and nothing but health is known of them. */
  readonly dependents?: boolean;
  /** Only resources of the program use it, and the app says what it uses. */
  readonly onlyDependents?: boolean;
  /** For how long health must hold. */
  readonly bake?: string;
}

/** A store behind a server. Plain JSON. */
export interface RemoteStore {
  /** Its type and options, but for the name. */
  readonly options: { readonly type: string; readonly [option: string]: unknown };
  /** The option that names the secret in it. */
  readonly nameOption: string;
  /** What the names of this site begin with. */
  prefix: string;
}

export const SECRET = "orders-db";

export function storeOf(site: SiteFacts, name = "store"): { type: string; [option: string]: unknown } {
  const { remote, folder } = site;
  if (remote) return { ...remote.options, [remote.nameOption]: `${remote.prefix}-${name}` };
  return { type: "file", path: `${folder}/${name}`, key: { keyFile: `${folder}/key` } };
}

/** The audit trail; a store behind a server has no place for it. */
export function trailOf(site: SiteFacts, name = "store"): string {
  return site.remote ? `${site.folder}/audit.jsonl` : `${site.folder}/${name}/audit.jsonl`;
}

export function secretArgs(site: SiteFacts, program: Program): Properties {
  return {
    name: SECRET,
    kind: {
      type: program.minted ? "mintedPostgresRole" : "postgresRole",
      host: site.host,
      port: site.port,
      database: site.database,
      admin: { from: "env", name: `PGADMIN_${site.id}` },
      owner: `owner_${site.id}`,
      memberOf: [`reader_${site.id}`, ...(program.brokenGrants ? [] : [`auditor_${site.id}`])],
      assumeOwner: false,
    },
    store: { ...storeOf(site, program.store), ...(program.namedStore ? { type: "namedFile" } : {}) },
    ...(site.remote || program.namedStore ? { audit: { type: "file", path: trailOf(site, program.store) } } : {}),
    schedule: { every: "90d" },
    retirement: {
      grace: "1h",
      soak: program.soak ?? "1h",
      ...(program.alarmAfter ? { alarmAfter: program.alarmAfter } : {}),
    },
    ...(program.replica ? { replicas: [storeOf(site, "replica")] } : {}),
    ...(program.migrateFrom ? { migrateFrom: storeOf(site, program.migrateFrom) } : {}),
    ...(program.adoptRole
      ? { adopt: { username: `app_${site.id}`, password: { from: "env", name: "OLD_PASSWORD" } } }
      : {}),
    ...(program.compromised
      ? {
          events: [
            {
              id: "leak",
              reason: "suspected-compromise",
              time: new Date(site.suspectedAt ?? 0).toISOString(),
              revokeFirst: program.revokeFirst ?? false,
            },
          ],
        }
      : {}),
  };
}

/** `null` for a program without a rollout. */
export function rolloutArgs(site: SiteFacts, program: Program): ((link: Properties) => Properties) | null {
  if (program.rollout === null) return null;
  const adoption = `${site.appUrl}/adoption`;
  const health = { type: "http", name: "app-health", url: `${site.appUrl}/health`, interval: "20ms" };
  const consumer = { type: "process", name: "app", file: `${site.folder}/app.json` };
  const waiting = { adoption: { url: adoption }, adoptionTimeout: "3s", interval: "10ms" };
  return (link) => ({
    name: program.rollout ?? "orders",
    secrets: [link],
    ...(program.onlyDependents ? {} : { consumers: [{ ...consumer, ...waiting }] }),
    ...(program.onlyDependents || program.dependents ? { dependents: 1 } : {}),
    ...(program.dependents ? { evidence: "engine" } : {}),
    checks: [
      { ...health, failureThreshold: 2, ...(program.bake ? { bake: program.bake } : {}) },
      { type: "sql", name: "books", query: CHECKED, canary: false, interval: "20ms", failureThreshold: 2 },
      ...(program.onlyDependents
        ? [
            {
              type: "adoption",
              name: "app-adoption",
              url: adoption,
              interval: "20ms",
              within: "40ms",
              failureThreshold: 2,
            },
          ]
        : []),
    ],
  });
}
