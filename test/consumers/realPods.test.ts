/**
 * Pods that really run: kubelet, containerd and runc. They mount the Secret of a version, and query PostgreSQL with it
 * all the time.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { Client } from "pg";
import { startKubernetes, type KubernetesServer } from "../support/kubernetes";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { PulumiStack } from "../support/stack";
import { controllers, scheduler } from "./servers/controlPlane";
import { NODE_IMAGE, startNode } from "./servers/node";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ROOT = resolve(__dirname, "../..");
const NAMESPACE = "shop";
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const DEPLOYMENT = `${DEPLOYMENTS}/api`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** What a pod said last. */
interface Seen {
  readonly pod: string;
  readonly user: string;
  readonly ready: boolean;
  readonly queries: number;
  readonly failed: number;
  readonly last: string;
}

describe("pods that really run", function () {
  this.timeout(180_000);
  let postgres: PostgresServer;
  let api: KubernetesServer;
  let collector: Server;
  let stack: PulumiStack;
  let superuser: Client;
  /** What ends what was started, in the order in which it was. */
  const ends: (() => unknown)[] = [];
  const seen = new Map<string, Seen>();

  before(async () => {
    postgres = await startPostgres();
    ends.push(() => postgres.stop());
    api = await startKubernetes(async (server) => {
      const kubeconfig = await server.kubeconfig("admin");
      return [controllers(server, kubeconfig), scheduler(kubeconfig)];
    });
    ends.push(() => api.stop());
    const node = await startNode(await api.kubeconfig("admin"));
    ends.push(async () => {
      // The node runs them until it is told otherwise.
      await api.ask("admin", "DELETE", DEPLOYMENT);
      await api.ask("admin", "DELETE", `${PODS}?gracePeriodSeconds=0`);
      await node.stop();
    });
    collector = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      request.on("end", () => {
        const said = JSON.parse(body) as Seen;
        seen.set(said.pod, said);
        response.end();
      });
    });
    await new Promise<void>((ready) => collector.listen(0, "127.0.0.1", ready));
    ends.push(() => {
      collector.closeAllConnections();
      collector.close();
    });
    superuser = new Client(postgres.adminUrl);
    await superuser.connect();
    ends.push(() => superuser.end());
    await superuser.query("CREATE ROLE orders_owner NOLOGIN");
    await superuser.query("CREATE ROLE stock_reader NOLOGIN");
    await superuser.query("CREATE TABLE orders AS SELECT 1 AS n");
    await superuser.query("CREATE TABLE stock AS SELECT 2 AS n");
    await superuser.query("ALTER TABLE orders OWNER TO orders_owner");
    await superuser.query("GRANT SELECT ON stock TO stock_reader");
    await ask("POST", "/api/v1/namespaces", { metadata: { name: NAMESPACE } });
    stack = new PulumiStack({ program: "" });
    ends.push(() => stack.dispose());
    Object.assign(stack.env, {
      PGADMIN_URL: postgres.adminUrl,
      KUBECONFIG: await api.kubeconfig("admin"),
      ROTATION_TEST_CLOCK: join(stack.folder, "clock"),
      NODE_OPTIONS: `--require ${join(ROOT, "test/support/preload.cjs")}`,
    });
    await stack.init();
  });

  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  async function ask(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await api.ask("admin", method, path, body);
    assert.ok(answer.code < 300, `${method} ${path}: ${answer.code} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  function program(options: { memberOf?: string; consumer?: boolean } = {}): void {
    const { memberOf = '["stock_reader"]', consumer = true } = options;
    stack.program(`
const db = new rotation.RotatingPostgresRole("orders-db", {
  connection: { host: "${postgres.host}", port: ${postgres.port}, database: "postgres", admin: rotation.secretFrom.env("PGADMIN_URL") },
  owner: "orders_owner",
  memberOf: ${memberOf},
  assumeOwner: false,
  store: rotation.kubernetesSecret({ namespace: "${NAMESPACE}", name: "orders-db" }),
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "0s" },
  audit: rotation.auditFile("./audit.jsonl"),
});
${
  consumer
    ? `new rotation.Rollout("orders", {
  secrets: [db],
  consumers: [({ type: "kubernetes", name: "api", namespace: "${NAMESPACE}", workload: { kind: "Deployment", name: "api" }, timeout: "90s" })],
});`
    : ""
}
`);
  }

  let ahead = 0;
  function advance(ms: number): void {
    ahead += ms;
    writeFileSync(join(stack.folder, "clock"), String(ahead));
  }

  const nodeModules = { name: "modules", hostPath: { path: join(ROOT, "node_modules") } };
  const code = { name: "code", hostPath: { path: join(ROOT, "test/consumers/pods") } };

  function podSpec(secretName: string): object {
    return {
      hostNetwork: true,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 10,
      containers: [
        {
          name: "app",
          image: NODE_IMAGE,
          imagePullPolicy: "Never",
          command: ["/bin/node", "/app/pods/app.cjs"],
          env: [
            { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "COLLECTOR", value: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` },
            { name: "QUERY", value: "SELECT orders.n + stock.n AS n FROM orders CROSS JOIN stock" },
          ],
          readinessProbe: { exec: { command: ["/bin/busybox", "test", "-f", "/tmp/ready"] }, periodSeconds: 1 },
          volumeMounts: [
            { name: "db", mountPath: "/secret", readOnly: true },
            { name: "code", mountPath: "/app/pods", readOnly: true },
            { name: "modules", mountPath: "/app/node_modules", readOnly: true },
          ],
        },
      ],
      volumes: [{ name: "db", secret: { secretName } }, code, nodeModules],
    };
  }

  async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const limit = Date.now() + 60_000;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > limit)
        assert.fail(`not within a minute: ${what}; pods said ${JSON.stringify([...seen.values()])}`);
      await new Promise((next) => setTimeout(next, 100));
    }
  }

  /** Without those that have ended and are about to be removed. */
  const running = async (): Promise<{ metadata: { name: string } }[]> => {
    const { items } = await ask("GET", `${PODS}?labelSelector=app%3Dapi`);
    return items.filter((pod: { status: { phase: string } }) => !["Succeeded", "Failed"].includes(pod.status.phase));
  };
  /** The database users of the pods that run and serve now. */
  const users = async (): Promise<(string | undefined)[]> =>
    (await running()).map(({ metadata }) => seen.get(metadata.name)?.user);
  const versionOf = (user: string | undefined) => /_(v\d+)_/.exec(user ?? "")?.[1] ?? user;
  const queries = () => [...seen.values()].reduce((sum, one) => sum + one.queries, 0);

  /** Those that failed before a pod was ready were never given to anybody. */
  function assertNoneFailed(): void {
    const failed = [...seen.values()].filter((one) => one.ready && one.failed > 0);
    assert.deepEqual(failed, [], "queries failed");
  }

  it("move to a new version with no failed query, and the former credential goes when nobody has it", async () => {
    program({ consumer: false });
    await stack.mustUp();
    await ask("POST", DEPLOYMENTS, {
      metadata: { name: "api" },
      spec: {
        replicas: 3,
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: { app: "api" } },
        template: { metadata: { labels: { app: "api" } }, spec: podSpec("orders-db-v1-e1") },
      },
    });
    await until("three pods are ready", async () => (await ask("GET", DEPLOYMENT)).status.availableReplicas === 3);
    program();
    await stack.mustUp();
    assert.deepEqual((await users()).map(versionOf), ["v1", "v1", "v1"]);

    // Somebody else's pod, which no rollout knows.
    await ask("POST", PODS, { metadata: { name: "reports" }, spec: podSpec("orders-db-v1-e1") });
    await until("the other pod is ready", async () => seen.get("reports")?.ready);

    const before = queries();
    advance(91 * DAY);
    const rotated = await stack.mustUp();
    assert.match(rotated, /v2: schedule/);
    assert.deepEqual((await users()).map(versionOf), ["v2", "v2", "v2"]);
    assert.ok(queries() - before > 50, `only ${queries() - before} queries during the rotation`);
    assertNoneFailed();

    advance(2 * HOUR);
    const held = await stack.mustUp();
    assert.match(
      held,
      /v1.* is still used by .*pod shop\/reports, which has the Secret orders-db-v1-e1 as volume "db"/,
    );
    assertNoneFailed();

    await ask("DELETE", `${PODS}/reports`);
    await until("the other pod is gone", async () => (await api.ask("admin", "GET", `${PODS}/reports`)).code === 404);
    assert.match(await stack.mustUp(), /v1 is revoked, proven dead and deleted/);
    const { code: gone } = await api.ask("admin", "GET", `/api/v1/namespaces/${NAMESPACE}/secrets/orders-db-v1-e1`);
    assert.equal(gone, 404);
    const roles = await superuser.query("SELECT rolname FROM pg_roles WHERE rolname LIKE '%\\_v_\\_%'");
    assert.deepEqual(
      roles.rows.map(({ rolname }: { rolname: string }) => versionOf(rolname)),
      ["v2"],
    );
    assertNoneFailed();
  });

  it("that do not come up with a new version are noticed, and the former ones serve on", async () => {
    const template = (await ask("GET", DEPLOYMENT)).spec.template;
    const before = queries();
    // The application reads a table that the new version may not read.
    program({ memberOf: "[]" });
    const startedAt = Date.now();
    const failed = await stack.up();
    assert.notEqual(failed.code, 0);
    assert.match(failed.output, /consumer api: .*container "?app"?/);
    assert.match(failed.output, /Rolled back in this run to orders-db v2/);
    assert.ok(Date.now() - startedAt < 60_000, `it took ${Date.now() - startedAt} ms`);
    assert.deepEqual((await ask("GET", DEPLOYMENT)).spec.template, template, "the workload is as before");
    await until("only the former pods are left", async () => (await running()).length === 3);
    assert.deepEqual((await users()).map(versionOf), ["v2", "v2", "v2"]);
    assert.ok(queries() - before > 50);
    assertNoneFailed();
  });
});
