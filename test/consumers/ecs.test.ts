import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigurationError, UnreachableError } from "../../provider/lifecycle/errors";
import { versionIdOf } from "../../provider/net/aws/versionId";
import { ARN, until, useCredentials } from "./ecs/site";
import { failure, inSite, type World } from "./ecs/world";

const REVISE = { taskDefinition: "revise", namesVersion: true } as const;
const KEEP = { taskDefinition: "keep" } as const;

const idOf = ({ site }: World, version: number) => versionIdOf(site.version(version).ref);

describe("an ecs consumer that revises the task definition", function () {
  this.timeout(30_000);
  useCredentials();

  it("registers one revision that differs in the version only, and moves the service to it once", () =>
    inSite(REVISE, async (world) => {
      const { site, consumer, target } = world;
      await consumer.roll(target(2));
      assert.equal(world.registered(), 1);
      assert.equal(world.deployments(), 1);
      const [former, revised] = [1, 2].map((revision) => site.ecs.definitions.find(`orders-api:${revision}`));
      assert.deepEqual(revised!.tags, former!.tags);
      const expected = JSON.parse(
        JSON.stringify(former!.definition)
          .replaceAll(idOf(world, 1), idOf(world, 2))
          .replace('orders-api:1"', 'orders-api:2"'),
      );
      assert.deepEqual(revised!.definition, { ...expected, revision: 2 });
      assert.equal(site.service.taskDefinition.revision, 2);
    }));

  it("returns to the former revision, and registers nothing for it", () =>
    inSite(REVISE, async (world) => {
      const { site, consumer, target } = world;
      await consumer.roll(target(2));
      await consumer.roll(target(1));
      assert.equal(site.service.taskDefinition.revision, 1);
      assert.equal(world.registered(), 1);
      assert.ok((await consumer.confirm(target(1))).adopted);
    }));

  it("registers the former revision anew where it is no longer active", () =>
    inSite(REVISE, async (world) => {
      const { site, consumer, target } = world;
      await consumer.roll(target(2));
      site.ecs.definitions.deregister("orders-api:1");
      await consumer.roll(target(1));
      assert.equal(site.service.taskDefinition.revision, 3);
      assert.deepEqual(await site.serving(), [1]);
    }));

  it("keeps what the program has changed in the task definition meanwhile", () =>
    inSite(REVISE, async (world) => {
      const { site, consumer, target } = world;
      await consumer.roll(target(2));
      const byProgram = site.define(idOf(world, 2), { memory: "1024" });
      site.service.deploy(byProgram);
      await until("the program's deployment", () => site.service.tasks.filter((task) => task.isAlive).length === 1);
      await consumer.roll(target(3));
      assert.equal(site.service.taskDefinition["memory"], "1024");
      assert.deepEqual(await site.serving(), [3]);
    }));

  it("names the version where the task definition named what is current", () =>
    inSite({ taskDefinition: "revise", namesVersion: false, loses: true }, async (world) => {
      const { site, consumer, target } = world;
      assert.equal(consumer.pinned, true);
      await consumer.roll(target(2));
      // What becomes current later is none of its tasks' business any more.
      site.current = idOf(world, 3);
      await site.service.tasks.at(-1)!.stop("UserInitiated", "stopped by a test");
      await until("another task", () => site.service.balancer.keys().length === 1);
      assert.deepEqual(await site.serving(), [2]);
      assert.ok((await consumer.confirm(target(2))).adopted);
    }));

  it("never registers or deploys twice, whichever call it was killed at", () =>
    inSite(REVISE, async (world) => {
      const { site, target } = world;
      let version = 2;
      for (let call = 1; call < 10; call++, version++) {
        const [registered, deployed] = [world.registered(), world.deployments()];
        const consumer = await world.restart();
        const reached = site.cutAt(call, "after");
        const rolled = consumer.roll(target(version)).then(
          () => "rolled",
          () => "killed",
        );
        if ((await Promise.race([reached, rolled])) === "rolled") break;
        await (await world.restart()).roll(target(version));
        assert.equal(world.registered() - registered, 1, `killed after call ${call}`);
        assert.equal(world.deployments() - deployed, 1, `killed after call ${call}`);
      }
      assert.ok(version > 5);
    }));

  it("sets an environment variable where the application reads the secret itself", () =>
    inSite(
      { ...REVISE, options: { secrets: { "orders-db": { arn: ARN, variable: "DB_VERSION" } }, container: "app" } },
      async (world) => {
        const { site, consumer, target } = world;
        await consumer.roll(target(2));
        const environment = site.service.taskDefinition.containerDefinitions[0]?.environment ?? [];
        assert.deepEqual(environment.at(-1), { name: "DB_VERSION", value: idOf(world, 2) });
        assert.equal(environment.length, 2);
        await consumer.roll(target(1));
        const [only] = site.service.taskDefinition.containerDefinitions;
        assert.deepEqual(only?.environment?.at(-1), { name: "DB_VERSION", value: idOf(world, 1) });
      },
    ));

  it("moves to the new versions of several secrets by one deployment", () =>
    inSite(REVISE, async (world) => {
      const { site } = world;
      const mailArn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/mail-GhIjKl";
      const container = site.service.taskDefinition.containerDefinitions[0]!;
      const both = site.define("", {
        containerDefinitions: [
          {
            ...container,
            environment: [...(container.environment ?? []), { name: "MAIL_VERSION", value: "none" }],
          },
        ],
      });
      site.service.deploy(both);
      const consumer = await world.restart({
        secrets: { "orders-db": ARN, "orders-mail": { arn: mailArn, variable: "MAIL_VERSION" } },
      });
      const mail = { ...site.version(7), secret: "orders-mail" };
      const target = { secrets: [site.version(2), mail] };
      await consumer.roll(target);
      assert.equal(world.registered(), 1);
      assert.equal(world.deployments(), 1);
      assert.deepEqual(site.service.taskDefinition.containerDefinitions[0]?.environment?.at(-1), {
        name: "MAIL_VERSION",
        value: versionIdOf(mail.ref),
      });
      assert.ok((await consumer.confirm(target)).adopted);
    }));

  it("refuses a task definition, or a target, that its options do not fit", () =>
    inSite(REVISE, async (world) => {
      const { target, site } = world;
      const refused = async (more: Record<string, unknown>, other = target(2)) =>
        failure((await world.restart(more)).roll(other), ConfigurationError);
      assert.match(await refused({ container: "web" }), /no container "web"; its containers are "app"/);
      const other = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf";
      assert.match(
        await refused({ secrets: { "orders-db": other } }),
        /no container .* names "orders-db" \(.*other-AbCdEf\)/,
      );
      assert.match(await refused({ secrets: { "orders-db": { variable: "NOT_THERE" } } }), /NOT_THERE.*`container`/);
      const two = { secrets: [site.version(2), { ...site.version(3), secret: "orders-mail" }] };
      assert.match(await refused({}, two), /`secrets` does not say how that names "orders-mail"/);
      assert.equal(site.changes(), 0);
    }));
});

describe("an ecs consumer that keeps the task definition", function () {
  this.timeout(30_000);
  useCredentials();

  it("deploys anew once, whichever call it was killed at", () =>
    inSite(KEEP, async (world) => {
      const { site, target } = world;
      assert.equal(world.consumer.pinned, false);
      let version = 2;
      for (let call = 1; call < 12; call++, version++) {
        const deployed = world.deployments();
        const consumer = await world.restart();
        const reached = site.cutAt(call, "after");
        const rolled = consumer.roll(target(version)).then(
          () => "rolled",
          () => "killed",
        );
        if ((await Promise.race([reached, rolled])) === "rolled") break;
        await (await world.restart()).roll(target(version));
        assert.equal(world.deployments() - deployed, 1, `killed after call ${call}`);
        assert.deepEqual(await site.serving(), [version]);
      }
      assert.equal(world.registered(), 0);
      assert.ok(version > 6);
    }));

  it("follows a deployment that somebody else makes meanwhile: it reads the same version", () =>
    inSite(KEEP, async (world) => {
      const { site, consumer, target } = world;
      site.ecs.hold("RUNNING");
      const rolled = consumer.roll(target(2));
      await until("the forced deployment", () => world.deployments() === 1);
      site.service.deploy(site.service.taskDefinition);
      site.ecs.release();
      await rolled;
      assert.ok((await consumer.confirm(target(2))).adopted);
    }));

  it("does not vouch for a task that was started by itself after the deployment had settled, and deploys anew", () =>
    inSite({ ...KEEP, desiredCount: 2 }, async (world) => {
      const { site, target } = world;
      await world.consumer.roll(target(2));
      assert.ok((await (await world.restart()).confirm(target(2))).adopted);
      // Another version is current for a while, and a task is started in that time.
      site.current = idOf(world, 3);
      site.service.scale(3);
      await until("the third task", () => site.service.balancer.keys().length === 3);
      site.current = idOf(world, 2);
      assert.deepEqual(await site.serving(), [2, 3]);
      const consumer = await world.restart();
      const before = await consumer.confirm(target(2));
      assert.equal(before.adopted, false);
      assert.match(before.detail, /was started by itself after .* had settled/);
      await consumer.roll(target(2));
      assert.deepEqual(await site.serving(), [2]);
      assert.ok((await consumer.confirm(target(2))).adopted);
    }));

  it("is chosen where the task definition names what is current, and the other way where it names a version", async () => {
    for (const namesVersion of [false, true])
      await inSite({ namesVersion }, async (world) => {
        await world.consumer.roll(world.target(2));
        assert.equal(world.registered(), namesVersion ? 1 : 0);
        assert.equal(world.consumer.pinned, false);
        assert.deepEqual(await world.site.serving(), [2]);
        assert.ok((await world.consumer.confirm(world.target(2))).adopted);
        assert.equal((await world.consumer.confirm(world.target(1))).adopted, false);
      });
  });
});

for (const [title, mode] of Object.entries({ "that revises": REVISE, "that keeps": KEEP }))
  describe(`an ecs consumer ${title}, and its evidence`, function () {
    this.timeout(30_000);
    useCredentials();

    it("does not confirm while a task of the former deployment has not ended, and names it", () =>
      inSite(mode, async ({ site, consumer, target }) => {
        site.ecs.hold("STOPPING");
        const [former] = site.service.tasks;
        await consumer.roll(target(2));
        const { adopted, detail } = await consumer.confirm(target(2));
        assert.equal(adopted, false);
        assert.match(detail, new RegExp(`1 task does not belong .*${former!.id} \\(DEACTIVATING`));
        const confirmed = consumer.confirm(target(2));
        site.ecs.release();
        assert.ok((await confirmed).adopted);
      }));

    it("confirms a service that wants no task", () =>
      inSite({ ...mode, loses: true }, async ({ site, consumer, target }) => {
        await consumer.roll(target(2));
        site.service.scale(0);
        await until("no task", () => site.service.tasks.every((task) => !task.isAlive));
        const adoption = await consumer.confirm(target(2));
        assert.ok(adoption.adopted);
        assert.match(adoption.detail, /no task runs, and none is wanted/);
      }));

    it("asks the application as well where it says which version it uses", async () => {
      let fingerprint = "other";
      const server = createServer((_request, response) => response.end(JSON.stringify({ fingerprint })));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      try {
        await inSite({ ...mode, options: { adoption: { url }, adoptionTimeout: "500ms" } }, async (world) => {
          const { consumer, target, site } = world;
          await consumer.roll(target(2));
          assert.equal((await consumer.confirm(target(2))).adopted, false);
          fingerprint = site.version(2).fingerprint;
          assert.ok((await consumer.confirm(target(2))).adopted);
        });
      } finally {
        server.close();
        server.closeAllConnections();
      }
    });

    it("makes one deployment where the answer to it was lost, and says that it cannot be reached", () =>
      inSite({ ...mode, options: { maxAttempts: 5, timeout: "300ms" } }, async (world) => {
        const { site, target, consumer } = world;
        site.ecs.fail({ operation: "UpdateService", when: "after" });
        await failure(consumer.roll(target(2)), UnreachableError);
        await (await world.restart()).roll(target(2));
        assert.equal(world.deployments(), 1);
        assert.deepEqual(await site.serving(), [2]);
      }));

    it("asks again where it was turned away because there are too many calls", () =>
      inSite({ ...mode, options: { maxAttempts: 5 } }, async (world) => {
        const { site, target, consumer } = world;
        site.ecs.fail({ code: "ThrottlingException", operation: "UpdateService", times: 2 });
        site.ecs.fail({ code: "ThrottlingException", operation: "DescribeServices", times: 1 });
        site.ecs.fail({ code: "ServerException", operation: "ListTasks", times: 1 });
        await consumer.roll(target(2));
        assert.equal(world.deployments(), 3);
        assert.deepEqual(await site.serving(), [2]);
      }));
  });
