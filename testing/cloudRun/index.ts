/**
 * Google Cloud Run in memory, behind gRPC on the loopback interface: for tests that use the real client,
 * `@google-cloud/run`, which has to be installed. Its protocol definitions are the client's own.
 *
 * It has services with their template, traffic, tags, annotations and etag; revisions whose instances are real processes,
 * started by the command of their container, with secrets in their environment and in files; a front door that sends
 * requests by percent, and addresses for tags; reconciliations that a test may stop; operations; permissions. Each rule
 * names what says so. It has no log-in, no images, no scaling beyond one instance or none, no IAM policies and no jobs.
 */
import { StatusError } from "../gcpSecretManager/status";
import { checkPermission, DEPLOYING, PERMISSIONS, type Method } from "./permissions";
import type { SecretSource } from "./secrets";
import { packService, serve, type Methods } from "./server";
import { EmulatedService } from "./service";
import type { Request, ServiceMessage, Template, TrafficTarget } from "./wire";

export type { Method } from "./permissions";
export { secretsOf, type SecretSource } from "./secrets";
export type { Container, ServiceMessage, Template, TrafficTarget } from "./wire";

/** One call of the API. */
export interface EmulatedCall {
  readonly method: Method;
  /** Who called: an address and a port, another one for each client. */
  readonly caller: string;
  readonly request: Request;
}

/**
 * What becomes of a call. `hang`: it is not answered, and not carried out; `lose`: it is carried out, and not answered;
 * an error: it is answered with that.
 */
export type Fate = "pass" | "hang" | "lose" | StatusError;

/** What a test may look at. */
export interface ServiceView {
  /** Where its requests go. */
  readonly uri: string;
  /** Percent of the requests by revision, as they are sent now. */
  readonly shares: ReadonlyMap<string, number>;
  /** By name, in the order in which they were made. */
  readonly revisions: ReadonlyMap<string, { readonly template: Template; readonly isReady: boolean }>;
  readonly template: Template;
  readonly traffic: readonly TrafficTarget[];
  readonly isReconciling: boolean;
}

export interface CloudRunEmulator {
  /** `127.0.0.1:port`, plain text. */
  readonly endpoint: string;
  /** The calls so far, in the order in which they came. */
  readonly calls: readonly EmulatedCall[];
  /** How many changes were carried out for callers of the API. */
  readonly changes: number;
  /** What becomes of each call from now on. @param decide absent: all pass. */
  intercept(decide?: (call: EmulatedCall) => Fate): void;
  /** Only this may be done from now on. @param permissions absent: everything. */
  grant(permissions?: readonly string[]): void;
  /** What was begun stays undone until the function is called that is returned. @param what absent: everything. */
  hold(what?: "revisions"): () => void;
  /** What a user's own deployment does: makes the service, or replaces what is given, and waits until it is carried out. */
  deploy(name: string, service: ServiceMessage): Promise<ServiceView>;
  /** @param name `projects/P/locations/R/services/S` */
  service(name: string): ServiceView;
  /** Deletes a revision that gets no requests, as a user may. */
  deleteRevision(service: string, revision: string): Promise<void>;
  /** Ends every process and closes every port. */
  stop(): Promise<void>;
}

export interface CloudRunSetting {
  readonly secrets: SecretSource;
  /** How long an instance has to start, in ms. @default 10000 */
  readonly startupMs?: number;
}

export async function startCloudRun(setting: CloudRunSetting): Promise<CloudRunEmulator> {
  const services = new Map<string, EmulatedService>();
  const operations = new Map<string, { done: boolean; readonly service: EmulatedService }>();
  const calls: EmulatedCall[] = [];
  let held: Promise<void> | undefined;
  let open: () => void = () => undefined;
  let allowed: ReadonlySet<string> | undefined;
  let decide: (call: EmulatedCall) => Fate = () => "pass";
  let changes = 0;
  let holds: "revisions" | undefined;
  const gate = {
    open: async (of: "revisions" | "traffic") => {
      if (holds === undefined || holds === of) await held;
    },
  };

  const find = (name: string): EmulatedService => {
    const service = services.get(name);
    if (service === undefined) throw new StatusError("NOT_FOUND", `Resource '${name}' was not found.`);
    return service;
  };
  const operation = (name: string): object => {
    const known = operations.get(name);
    if (known === undefined) throw new StatusError("NOT_FOUND", `Resource '${name}' was not found.`);
    const packed = packService(known.service.message());
    return { name, done: known.done, metadata: packed, ...(known.done ? { response: packed } : {}) };
  };
  const update = (request: Request): object => {
    const given = request.service ?? {};
    const service = find(given.name ?? "");
    const paths = request.updateMask?.paths ?? [];
    if (service.deploys(given, paths))
      for (const permission of DEPLOYING) checkPermission(allowed, permission, given.name ?? "");
    const name = `${service.name.slice(0, service.name.indexOf("/services/"))}/operations/${operations.size + 1}`;
    const done = service.update(given, paths);
    changes += 1;
    const record = { done: false, service };
    operations.set(name, record);
    void done.finally(() => (record.done = true));
    return operation(name);
  };
  const perform: Readonly<Record<Method, (request: Request) => object>> = {
    GetService: ({ name = "" }) => find(name).message(),
    UpdateService: update,
    GetRevision: ({ name = "" }) => {
      const [service = "", revision = ""] = name.split("/revisions/");
      const found = services.get(service)?.revisions.get(revision);
      if (found === undefined) throw new StatusError("NOT_FOUND", `Resource '${name}' was not found.`);
      return find(service).revisionMessage(found);
    },
    ListRevisions: ({ parent = "" }) => {
      const service = find(parent);
      return { revisions: [...service.revisions.values()].reverse().map((each) => service.revisionMessage(each)) };
    },
    GetOperation: ({ name = "" }) => operation(name),
  };
  const methods = Object.fromEntries(
    (Object.keys(perform) as Method[]).map((method) => [
      method,
      async (request: Request, caller: string) => {
        const call = { method, caller, request };
        calls.push(call);
        const fate = decide(call);
        if (fate instanceof StatusError) throw fate;
        if (fate === "hang") return new Promise<never>(() => undefined);
        checkPermission(allowed, PERMISSIONS[method], request.name ?? request.parent ?? request.service?.name ?? "");
        const answer = perform[method](request);
        return fate === "lose" ? new Promise<never>(() => undefined) : answer;
      },
    ]),
  ) as Methods;
  const server = await serve(methods);

  const view = (name: string): ServiceView => {
    const service = services.get(name);
    if (service === undefined) throw new Error(`There is no service ${name}.`);
    return {
      uri: service.uri,
      shares: service.shares,
      revisions: service.revisions,
      ...service.told,
      isReconciling: service.isReconciling,
    };
  };

  return {
    endpoint: `127.0.0.1:${server.port}`,
    calls,
    get changes() {
      return changes;
    },
    intercept: (given = () => "pass") => (decide = given),
    grant: (permissions) =>
      (allowed = permissions && new Set(permissions.map((permission) => permission.toLowerCase()))),
    hold: (what) => {
      holds = what;
      held = new Promise((resolve) => (open = resolve));
      return () => {
        held = undefined;
        open();
      };
    },
    deploy: async (name, given) => {
      const known = services.get(name);
      if (known === undefined) services.set(name, await EmulatedService.create(name, given, setting, gate));
      else await known.update(given, Object.keys(given));
      await find(name).settled();
      return view(name);
    },
    service: view,
    deleteRevision: async (name, revision) => {
      const service = find(name);
      if (service.shares.has(revision)) throw new Error(`${revision} gets requests.`);
      await service.revisions.get(revision)?.stop();
      service.revisions.delete(revision);
    },
    stop: async () => {
      held = undefined;
      open();
      await server.stop();
      await Promise.all([...services.values()].map((service) => service.stop()));
    },
  };
}
