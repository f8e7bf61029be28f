import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { createAdapter } from "../../provider/adapters";
import { PERMISSIONS } from "../../provider/consumers/cloudRun/failures";
import { cloudRunConsumerOptions } from "../../provider/consumers/cloudRun";
import { loadRun, loadSecrets } from "../../provider/consumers/cloudRun/sdk";
import { ConfigurationError, ConflictError, StateError, UnreachableError } from "../../provider/lifecycle/errors";
import { consumers } from "../../provider/registry";
import { StatusError, type Code } from "../../testing/gcpSecretManager/status";
import { errorOf, everythingOf } from "../support/errors";
import { contextOf, PROJECT, REGION, SECRET_MARK, Site } from "./cloudRun/site";

const ON_RUN = [
  "run.services.get",
  "run.services.update",
  "run.revisions.get",
  "iam.serviceAccounts.actAs",
  "artifactregistry.repositories.downloadArtifacts",
];

describe("the consumer on Cloud Run, when things go wrong", function () {
  this.timeout(90_000);
  let site: Site;
  beforeEach(async () => {
    site = await Site.open({ asks: false });
    await site.version(2);
  });
  afterEach(async () => {
    site.run.intercept();
    await site.close();
  });

  const target = async (version: number) => ({ secrets: [await site.version(version)] });
  /** Waits between two tries take no time. */
  const hurried = () => {
    const context = contextOf();
    const clock = {
      now: () => context.clock.now(),
      sleep: (ms: number, signal?: AbortSignal) => context.clock.sleep(Math.min(ms, 5), signal),
    };
    return { ...context, clock };
  };
  const roll = async (version: number, more: object = {}) =>
    site.consumer({ callTimeout: "3s", ...more }, hurried()).roll(await target(version));

  describe("permissions", () => {
    it("of the page suffice for a roll and the way back", async () => {
      site.run.grant(ON_RUN);
      site.secretManager.grant({ "orders-db-rotation": ["secretmanager.secrets.get"] });
      const [second, first] = [await target(2), await target(1)];
      const consumer = site.consumer({ probe: { path: "/" }, traffic: { percents: [50], hold: "10ms" } });
      await consumer.roll(second);
      assert.equal((await consumer.confirm(second)).adopted, true);
      await consumer.roll(first);
      assert.equal((await consumer.confirm(first)).adopted, true);
      site.secretManager.grant();
    });

    for (const permission of ON_RUN)
      it(`names ${permission} when it is missing, and changes nothing that is served`, async () => {
        site.run.grant(ON_RUN.filter((each) => each !== permission));
        const error = await errorOf(roll(2));
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.ok(error.message.includes(`the permission ${permission} is missing`), error.message);
        assert.ok(!everythingOf(error).includes(SECRET_MARK));
        assert.deepEqual(site.serving(), [1]);
        site.run.grant();
        await roll(2);
        assert.deepEqual(site.serving(), [2]);
      });

    it(`names ${PERMISSIONS.getSecret} on the store's own secret when it is missing`, async () => {
      const second = await target(2);
      site.secretManager.grant({ "orders-db": ["secretmanager.secrets.get"] });
      const error = await errorOf(site.consumer().roll(second));
      assert.ok(error instanceof ConfigurationError, String(error));
      assert.match(
        error.message,
        /the permission secretmanager\.secrets\.get is missing on the secret orders-db-rotation/,
      );
      site.secretManager.grant();
    });

    it("that the service does not name are told with what may be meant", async () => {
      site.run.intercept(({ method }) =>
        method === "UpdateService"
          ? new StatusError("PERMISSION_DENIED", `Permission '${SECRET_MARK}.a.b' denied`)
          : "pass",
      );
      const error = await errorOf(roll(2));
      assert.match(error.message, /run\.services\.update \(or iam\.serviceAccounts\.actAs, or artifactregistry\./);
      assert.ok(!everythingOf(error).includes(SECRET_MARK), "what the service says is not repeated");
    });
  });

  const CODES: Readonly<Partial<Record<Code, new (message: string) => Error>>> = {
    INVALID_ARGUMENT: StateError,
    ALREADY_EXISTS: StateError,
    UNAUTHENTICATED: ConfigurationError,
    NOT_FOUND: ConfigurationError,
    RESOURCE_EXHAUSTED: UnreachableError,
    UNAVAILABLE: UnreachableError,
    DEADLINE_EXCEEDED: UnreachableError,
    INTERNAL: UnreachableError,
    ABORTED: ConflictError,
    FAILED_PRECONDITION: ConflictError,
  };
  for (const [code, kind] of Object.entries(CODES))
    it(`is told in our own words when changes are answered with ${code}, and requests are served as before`, async () => {
      site.run.intercept(({ method }) =>
        method === "UpdateService" ? new StatusError(code as Code, `${SECRET_MARK} in the request`) : "pass",
      );
      const error = await errorOf(roll(2));
      assert.ok(error instanceof kind, `${code}: ${String(error)}`);
      assert.ok(error.message.startsWith('Consumer "orders" could not be moved to v2 of "orders-db": '), error.message);
      assert.ok(!everythingOf(error).includes(SECRET_MARK));
      assert.deepEqual(site.serving(), [1]);
      site.run.intercept();
      await roll(2);
      assert.deepEqual(site.serving(), [2]);
    });

  it("waits for a quota that is used up, and goes on", async () => {
    let refused = 0;
    site.run.intercept(() => (refused++ < 5 ? new StatusError("RESOURCE_EXHAUSTED", "quota") : "pass"));
    await roll(2);
    assert.ok(refused > 5);
    assert.deepEqual(site.serving(), [2]);
  });

  it("finds out whether a change was carried out whose answer got lost", async () => {
    let lost = 0;
    site.run.intercept(({ method }) => (method === "UpdateService" && lost++ % 2 === 0 ? "lose" : "pass"));
    await roll(2);
    assert.ok(lost >= 3);
    assert.deepEqual(site.serving(), [2]);
    assert.equal(site.view.revisions.size, 2, "no change was made twice");
  });

  it("says that a service does not exist", async () => {
    const error = await errorOf(roll(2, { service: "nobody" }));
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.match(error.message, /there is no service nobody in europe-west3 of the project shop-prod/);
  });

  it("gives up an end that takes the connection and says nothing", async () => {
    const sockets = new Set<{ destroy(): void }>();
    const silent = createServer((socket) => void sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const endpoint = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const startedAt = performance.now();
    const error = await errorOf(roll(2, { endpoint }));
    assert.ok(error instanceof UnreachableError, String(error));
    assert.ok(performance.now() - startedAt < 20_000);
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => silent.close(() => resolve()));
  });

  it("needs Google's clients, and says how to install them", async () => {
    const missing = () => Promise.reject(Object.assign(new Error("no"), { code: "MODULE_NOT_FOUND" }));
    assert.match((await errorOf(loadRun(missing))).message, /Run: npm install @google-cloud\/run$/);
    assert.match((await errorOf(loadSecrets(missing))).message, /Run: npm install @google-cloud\/secret-manager$/);
  });

  describe("options", () => {
    const given = { type: "cloudRun", name: "orders", project: PROJECT, region: REGION, service: "orders" };
    const complaints = (more: object) =>
      cloudRunConsumerOptions
        .safeParse({ ...given, ...more })
        .error?.issues.map(({ message }) => message)
        .join("\n") ?? "";

    it("are taken with defaults for all but name, project, region and service, and belong to the registry", async () => {
      assert.equal(complaints({}), "");
      const consumer = await createAdapter(consumers, given, "consumer", contextOf());
      assert.deepEqual([consumer.name, consumer.pinned], ["orders", true]);
    });

    for (const [what, more, expected] of [
      [
        "a region that is none",
        { region: "Frankfurt" },
        /region must be a Google Cloud region such as "europe-west3"; it is "Frankfurt"/,
      ],
      [
        "a service with its project",
        { service: "projects/p/services/orders" },
        /service must be the id of a Cloud Run service/,
      ],
      [
        "percents that do not rise",
        { traffic: { percents: [50, 10] } },
        /percents must be rising whole numbers from 1 to 99/,
      ],
      ["all of the traffic as a step", { traffic: { percents: [100] } }, /from 1 to 99; it is 100/],
      ["a probe with a query", { probe: { path: "/healthz?token=x" } }, /path must begin with "\/" and have no query/],
      ["a secret as a text", { secrets: { db: "orders-db" } }, /a secret must be \{ "secret"/],
      ["a time limit that is none", { timeout: "soon" }, /timeout must be a duration/],
      [
        "plain text to elsewhere",
        { insecure: true, endpoint: "run.example.com:443", secretsEndpoint: "127.0.0.1:1" },
        /endpoint must then be on localhost/,
      ],
      [
        "an unknown option",
        { revision: "x" },
        /a cloudRun consumer has no option "revision"; allowed are: type, name, wave, project/,
      ],
    ] as const)
      it(`refuse ${what}, with what is allowed`, () => assert.match(complaints(more), expected));
  });
});
