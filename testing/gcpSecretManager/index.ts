/**
 * Google Cloud Secret Manager in memory, behind gRPC on the loopback interface: for tests that use the real client,
 * `@google-cloud/secret-manager`, which has to be installed. Its protocol definitions are the client's own.
 *
 * It has secrets, global and regional, with their versions, states, aliases, annotations, etags, delayed destruction
 * and expiration, the documented limits and error codes, permissions, and faults on purpose. Each rule names the page
 * that says so. It has no log-in, no encryption keys of customers, no Pub/Sub, no IAM policies and no managed rotation:
 * such methods are answered with UNIMPLEMENTED.
 */
import { Faults, type Fault } from "./faults";
import { checkPermission, PERMISSIONS, type Grants, type Method } from "./permissions";
import { serve } from "./server";
import { Service } from "./service";
import type { Request, VersionState } from "./wire";

export type { Fault } from "./faults";
export type { Grants, Method } from "./permissions";
export type { Code } from "./status";
export type { VersionState } from "./wire";

/** What a test may look at. Times in ms since the Unix epoch. */
export interface EmulatedSecret {
  readonly aliases: Readonly<Record<string, number>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly replication: object | null;
  readonly versions: readonly {
    readonly number: number;
    readonly state: VersionState;
    /** Absent when destroyed. */
    readonly data: Buffer | undefined;
    readonly scheduledAt: number | undefined;
  }[];
}

export interface GcpSecretManagerEmulator {
  /** `127.0.0.1:port`, plain text. */
  readonly endpoint: string;
  /** The calls so far, in the order in which they came. */
  readonly calls: readonly { readonly method: Method; readonly secret: string }[];
  /** The next calls that it fits go wrong. Of several, the first that fits. */
  fail(fault: Fault): void;
  /** Asked for each call from now on, before faults that were told. @param decide absent: nobody is asked. */
  intercept(decide?: (method: Method, secret: string) => Fault | undefined): void;
  /** No fault is left. */
  heal(): void;
  /** Only this may be done from now on. @param grants absent: everything. */
  grant(grants?: Grants): void;
  /** So many reads (but accesses by number) show what was there before the last change of their secret. */
  lag(reads: number): void;
  /** Moves its clock forward. */
  advance(ms: number): void;
  /** @param id of any project and location. */
  secret(id: string): EmulatedSecret | undefined;
  stop(): Promise<void>;
}

export async function startGcpSecretManager(): Promise<GcpSecretManagerEmulator> {
  let ahead = 0;
  let grants: Grants | undefined;
  const service = new Service(() => Date.now() + ahead);
  const faults = new Faults();
  const calls: { method: Method; secret: string }[] = [];
  let decide: (method: Method, secret: string) => Fault | undefined = () => undefined;

  const answer = (method: Method, request: Request) => {
    const perSecret = method !== "CreateSecret" && method !== "ListSecrets";
    checkPermission(grants, method, perSecret ? secretOf(request) : undefined);
    return service.methods[method](request);
  };
  const faultOf = (method: Method, request: Request) => {
    const secret = secretOf(request);
    calls.push({ method, secret });
    return decide(method, secret) ?? faults.take(method, secret);
  };
  const server = await serve(Object.keys(PERMISSIONS) as Method[], answer, faultOf);

  return {
    endpoint: `127.0.0.1:${server.port}`,
    calls,
    fail: (fault) => faults.add(fault),
    intercept: (given = () => undefined) => (decide = given),
    heal: () => faults.clear(),
    grant: (given) => (grants = given),
    lag: (reads) => service.lag(reads),
    advance: (ms) => (ahead += ms),
    secret: (id) => {
      const secret = service.find(id);
      return (
        secret && {
          aliases: { ...secret.aliases },
          annotations: { ...secret.annotations },
          labels: { ...secret.labels },
          replication: secret.replication ?? null,
          versions: secret.versions.map(({ number, state, data, scheduledAt }) => ({
            number,
            state,
            data: data && Buffer.from(data),
            scheduledAt,
          })),
        }
      );
    },
    stop: () => server.stop(),
  };
}

function secretOf(request: Request): string {
  const named = request.secretId || request.name || request.parent || request.secret?.name || "";
  return /(?:^|\/secrets\/)([^/]+)(?:\/versions\/[^/]+)?$/.exec(named)?.[1] ?? "";
}
