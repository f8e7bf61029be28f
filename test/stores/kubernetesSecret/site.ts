/** What the tests of the Kubernetes store share: one API server, with exactly the Roles of the docs page. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runClock } from "../../../provider/clock";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { SecretStore, StoredVersion, VersionRef } from "../../../provider/contracts/store";
import type { Surroundings } from "../../../provider/net/kubernetes/client";
import { createKubernetesSecretStore, kubernetesSecretStoreOptions } from "../../../provider/stores/kubernetesSecret";
import { startKubernetes, type Answer, type KubernetesServer, type User } from "../../support/kubernetes";

export const NAMESPACE = "shop";
export const PASSWORD = "hunter2-never-print-this";

export type Given = Partial<Record<string, unknown>>;

export class Site {
  private names = 0;

  private constructor(readonly server: KubernetesServer) {}

  static async start(): Promise<Site> {
    const site = new Site(await startKubernetes());
    try {
      await site.made("/api/v1/namespaces", { metadata: { name: NAMESPACE } });
      await site.grant("pipeline", documentedRole("rotation-pipeline"));
      await site.grant("app", documentedRole("orders-db-reader"));
      // A Role takes effect a moment after it was made.
      await untilAllowed(() => site.secret("GET", "", undefined, "pipeline"));
      await untilAllowed(() => site.secret("GET", "orders-db", undefined, "app"));
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  newName(): string {
    return `orders-${++this.names}`;
  }

  /** As the pipeline's user, unless the options name another kubeconfig. */
  async open(given: Given, context: AdapterContext = realContext(), surroundings?: Surroundings): Promise<SecretStore> {
    const kubeconfig = given["kubeconfig"] ?? { path: await this.server.kubeconfig("pipeline") };
    const options = { type: "kubernetesSecret", namespace: NAMESPACE, ...given, kubeconfig };
    return createKubernetesSecretStore(kubernetesSecretStoreOptions.parse(options), context, surroundings);
  }

  /** The fields that a pod gets that mounts the Secret; `undefined` where it would not start. */
  async mount(name: string): Promise<Record<string, string> | undefined> {
    const { code, body } = await this.secret("GET", name);
    if (code === 404) return undefined;
    assert.equal(code, 200, JSON.stringify(body));
    const fields = Object.entries((body.data ?? {}) as Record<string, string>);
    return Object.fromEntries(fields.map(([field, text]) => [field, Buffer.from(text, "base64").toString("utf8")]));
  }

  /** As the administrator, who may also do what no Role of ours allows. */
  secret(method: string, name: string, body?: unknown, user: User = "admin"): Promise<Answer> {
    return this.server.ask(user, method, `/api/v1/namespaces/${NAMESPACE}/secrets/${name}`, body);
  }

  /** The names of all Secrets that begin so. */
  async namesOf(name: string): Promise<string[]> {
    const { body } = await this.server.ask("admin", "GET", `/api/v1/namespaces/${NAMESPACE}/secrets`);
    const items = body.items as { metadata: { name: string } }[];
    return items.map(({ metadata }) => metadata.name).filter((one) => one === name || one.startsWith(`${name}-`));
  }

  async made(path: string, body: unknown, method = "POST"): Promise<any> {
    const answer = await this.server.ask("admin", method, path, body);
    assert.ok(answer.code < 300, `${path}: ${answer.code} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** @param role an object, or YAML. */
  async grant(user: string, role: unknown, namespace = NAMESPACE): Promise<void> {
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const { metadata } = await this.made(`${roles}/roles`, role);
    await this.made(`${roles}/rolebindings`, {
      metadata: { name: `${metadata.name}-of-${user}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    });
  }
}

export async function untilAllowed(ask: () => Promise<Answer>): Promise<void> {
  const until = Date.now() + 10_000;
  while ((await ask()).code === 403) {
    if (Date.now() > until) throw new Error("the Role has not taken effect within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The text of the docs page, so that what is tested is what people copy. */
function documentedRole(name: string): string {
  const page = readFileSync(join(__dirname, "../../../docs/stores/kubernetes.md"), "utf8");
  const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, block]) => block ?? "");
  const found = blocks.find((block) => block.includes("kind: Role") && block.includes(`name: ${name}\n`));
  assert.ok(found, `docs/stores/kubernetes.md has the Role ${name}`);
  return found;
}

export interface SeenContext extends AdapterContext {
  readonly lines: string[];
  readonly slept: number[];
}

/** The wall clock, but that sleeps are noted and not slept. */
export function realContext(signal = new AbortController().signal): SeenContext {
  const [lines, slept]: [string[], number[]] = [[], []];
  const clock = runClock();
  return {
    clock: { now: () => clock.now(), sleep: async (ms) => void slept.push(ms) },
    signal,
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    resolveSecret: () => Promise.reject(new Error("nothing here asks for a secret")),
    lines,
    slept,
  };
}

export function makeVersion(version: number, value?: Record<string, string>): StoredVersion {
  return {
    secret: "orders-db",
    ref: { version, token: `token of ${version}` },
    fingerprint: `fp-${version}`,
    issued: { role: `orders_v${version}` },
    value: value ?? { username: `orders_v${version}`, password: `${PASSWORD}-${version}` },
  };
}

/** What a rotation does: commits its intention, stores, promotes. */
export async function rotate(store: SecretStore, version: StoredVersion, epoch: number): Promise<VersionRef> {
  const { revision, current } = await store.load();
  const fence = await store.commit({ promoting: version.ref.version }, revision);
  await store.putVersion(version);
  await store.promote(version.ref, current, fence, epoch);
  return version.ref;
}

export async function failureOf(action: Promise<unknown>): Promise<Error> {
  return action.then(
    () => assert.fail("it should have failed"),
    (error: unknown) => {
      assert.ok(error instanceof Error);
      const all = describeFully(error);
      assert.ok(!all.includes(PASSWORD), all);
      assert.ok(!all.includes(Buffer.from(PASSWORD).toString("base64").slice(0, 20)), all);
      assert.ok(!/(admin|pipeline|app|nobody)-token/.test(all), all);
      return error;
    },
  );
}

function describeFully(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message} ${JSON.stringify(error)} ${error.cause ? describeFully(error.cause) : ""}`;
}
