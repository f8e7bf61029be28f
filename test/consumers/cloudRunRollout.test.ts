/** A whole rotation with its rollout, by the real handler: the store, the service and its instances on emulators. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { secretsOf, startCloudRun, type CloudRunEmulator } from "../../testing/cloudRun";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../testing/gcpSecretManager";
import { memoryIssuer } from "../../testing/memoryKind";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";
import { ask, PROJECT, REGION, Requests, SERVICE } from "./cloudRun/site";

const DAY = 24 * 3_600_000;

/** What is waited for takes its time on the emulators, too. */
class WaitingClock extends TestClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await super.sleep(ms, signal);
    await delay(Math.min(ms, 30), undefined, signal === undefined ? {} : { signal });
  }
}

describe("a rollout to Cloud Run", function () {
  this.timeout(90_000);
  let secretManager: GcpSecretManagerEmulator;
  let run: CloudRunEmulator;
  let issuer: Server;
  let requests: Requests | undefined;
  /** Credentials that the issuer has, and that do not work from where the instances are. */
  const unreachable = new Set<string>();
  const clock = new WaitingClock();
  const stack = new MiniStack(clock);

  before(async () => {
    registerMemoryAdapters();
    resetMemory();
    secretManager = await startGcpSecretManager();
    run = await startCloudRun({ secrets: secretsOf(secretManager) });
    issuer = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
      request.on("end", () => {
        const { username, password } = JSON.parse(body) as { username: string; password: string };
        const known = memoryIssuer("issuer").credentials.get(username);
        const works = known?.password === password && ![...unreachable].some((part) => username.includes(part));
        response.writeHead(works ? 200 : 401).end();
      });
    });
    await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    await requests?.stop();
    await run.stop();
    await secretManager.stop();
    issuer.closeAllConnections();
    await new Promise<void>((resolve) => issuer.close(() => resolve()));
  });

  const secret: Properties = {
    name: "orders-db",
    kind: { type: "memory", name: "issuer" },
    get store() {
      const endpoint = secretManager.endpoint;
      return { type: "gcpSecretManager", project: PROJECT, name: "orders-db", endpoint, insecure: true };
    },
    schedule: { every: "90d" },
    retirement: { grace: "1h", soak: "1h" },
  };
  const rollout = (link: Properties): Properties => ({
    name: "orders",
    secrets: [link],
    consumers: [
      {
        type: "cloudRun",
        name: "orders",
        project: PROJECT,
        region: REGION,
        service: "orders",
        endpoint: run.endpoint,
        secretsEndpoint: secretManager.endpoint,
        insecure: true,
        interval: "30ms",
        timeout: "5m",
      },
    ],
    checks: [],
  });
  const usernameNow = async () => (await ask(run.service(SERVICE).uri)).body.username ?? "";
  const serves = () => [...run.service(SERVICE).shares].map(([revision, percent]) => `${revision} ${percent}`);

  it("pins what was named by latest, without a failed request", async () => {
    assert.ifError((await stack.up({ ...secret, store: secret["store"] }, null)).error);
    const { port } = issuer.address() as AddressInfo;
    const reference = { secretKeyRef: { secret: "orders-db", version: "latest" } };
    await run.deploy(SERVICE, {
      template: {
        containers: [
          {
            command: [process.execPath],
            args: [join(__dirname, "cloudRun", "app.cjs")],
            env: [
              { name: "ISSUER", value: `http://127.0.0.1:${port}` },
              { name: "DB_SECRET", valueSource: reference },
            ],
          },
        ],
      },
    });
    requests = new Requests(run.service(SERVICE).uri);
    assert.ifError((await stack.up({ ...secret, store: secret["store"] }, rollout)).error);
    assert.equal(run.service(SERVICE).template.containers?.[0]?.env?.[1]?.valueSource?.secretKeyRef?.version, "1");
    assert.match(await usernameNow(), /-v1-/);
    assert.equal(requests.failed, 0);
  });

  it("returns from a version that does not work where the service runs: no request meets it, and all is as before", async () => {
    const before = { serves: serves(), template: run.service(SERVICE).template };
    clock.advance(91 * DAY);
    unreachable.add("-v2-");
    const { error } = await stack.up({ ...secret, store: secret["store"] }, rollout);
    assert.match(error?.message ?? "", /HEALTH_CHECK_CONTAINER_ERROR/);
    assert.match(await usernameNow(), /-v1-/);
    const { template, traffic, shares } = run.service(SERVICE);
    assert.deepEqual(template.containers, before.template.containers);
    assert.equal(traffic[0]?.type, "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST");
    assert.equal(shares.size, 1);
    assert.ok(requests);
    assert.equal(requests.failed, 0);
    assert.ok(![...requests.usernames.keys()].some((username) => username.includes("-v2-")));
  });

  it("goes on to the next version when it works, and the one before is retired", async () => {
    // The next attempt, the next version, and what is put off until its grace and soak are over.
    for (let run = 0; run < 8; run++) {
      clock.advance(2 * DAY);
      assert.ifError((await stack.up({ ...secret, store: secret["store"] }, rollout)).error);
    }
    const now = await usernameNow();
    assert.ok(!now.includes("-v1-") && !now.includes("-v2-"), now);
    assert.deepEqual([...memoryIssuer("issuer").credentials.keys()], [now], "no other credential is left");
    assert.equal(requests?.failed, 0);
  });
});
