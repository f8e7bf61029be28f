import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { ConfigurationError, UnreachableError } from "../../provider/lifecycle/errors";
import { ecsConsumerPolicy } from "../../components/aws/policies";
import { ECS_OPERATIONS } from "../../testing/ecs";
import { ecsConsumerOptions } from "../../provider/consumers/ecs";
import { until, useCredentials } from "./ecs/site";
import { failure, inSite, skippingClock } from "./ecs/world";

const REVISE = { taskDefinition: "revise", namesVersion: true } as const;
const KEEP = { taskDefinition: "keep" } as const;
const MODES = { "that revises": REVISE, "that keeps": KEEP };

for (const [title, mode] of Object.entries(MODES))
  describe(`an ecs consumer ${title}, of tasks that do not come up`, function () {
    this.timeout(30_000);
    useCredentials();

    it("gives up after two of them, in the words of the tasks, and says what runs now", () =>
      inSite(mode, async ({ site, consumer, target }) => {
        site.breakVersion(2);
        const message = await failure(consumer.roll(target(2)));
        assert.match(message, /could not be rolled to v2 of "orders-db"/);
        assert.match(
          message,
          /task [0-9a-f]{32}.*EssentialContainerExited: Essential container in task exited: container "app": exit code 7/,
        );
        assert.match(
          message,
          /Now orders-api runs \d of 1 tasks; its primary deployment is ecs-svc\/\d+ of orders-api:\d/,
        );
        assert.deepEqual(await site.serving(), [1]);
      }));

    it("waits for as many as it is told", () =>
      inSite({ ...mode, options: { failedTasks: 3 } }, async ({ site, consumer, target }) => {
        site.breakVersion(2);
        assert.match(await failure(consumer.roll(target(2))), /and [2-9] more: EssentialContainerExited/);
      }));

    it("gives up when ECS says that it starts tasks in vain, however many it is told", () =>
      inSite({ ...mode, options: { failedTasks: 100 } }, async ({ site, consumer, target }) => {
        site.breakVersion(2);
        assert.match(
          await failure(consumer.roll(target(2))),
          /and [2-9] more: Ess.*ECS says: .*is unable to consistently start tasks successfully/,
        );
      }));

    it("does not count a task that ECS or a person has stopped", () =>
      inSite({ ...mode, options: { failedTasks: 1 }, loses: true }, async ({ site, consumer, target }) => {
        site.ecs.hold("RUNNING");
        const rolled = consumer.roll(target(2));
        await until("a new task", () => site.service.tasks.length === 2);
        void site.service.tasks[1]!.stop("SpotInterruption", "Your Spot Task was interrupted.");
        await until("another one", () => site.service.tasks.length === 3);
        site.ecs.release();
        await rolled;
        assert.deepEqual(await site.serving(), [2]);
      }));

    it("gives up at the first that cannot get the secret, and names the secret and the reason", () =>
      inSite({ ...mode, options: { failedTasks: 100 } }, async ({ site, consumer, target }) => {
        const wanted = target(2);
        site.versionsById.delete(wanted.secrets[0]!.ref.token);
        const message = await failure(consumer.roll(wanted));
        assert.match(message, /TaskFailedToStart: ResourceInitializationError: unable to pull secrets/);
        assert.match(message, /secret:orders\/db-AbCdEf from secrets manager: ResourceNotFoundException/);
        assert.deepEqual(await site.serving(), [1]);
      }));

    it("waits for no second task that cannot get the secret", () =>
      inSite({ ...mode, options: { failedTasks: 100 } }, async ({ site, consumer, target }) => {
        let asked = 0;
        site.onSecret = () => {
          asked += 1;
          if (asked > 1) return new Promise<void>(() => undefined);
          throw new Error("AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue");
        };
        assert.match(await failure(consumer.roll(target(2))), /task [0-9a-f]{32}: .*AccessDeniedException/);
        site.onSecret = undefined;
      }));

    it("notices that the circuit breaker has stopped the deployment", () =>
      inSite({ ...mode, circuitBreaker: { rollback: false }, options: { failedTasks: 100 } }, async (world) => {
        const { site, consumer, target } = world;
        site.breakVersion(2);
        const message = await failure(consumer.roll(target(2)));
        assert.match(message, /failed: ECS deployment circuit breaker: tasks failed to start.*exit code 7/);
        // The next run tries again: what made it fail may be mended.
        site.issuer.accepts.add(site.version(2).value["password"]!);
        await (await world.restart()).roll(target(2));
        assert.ok((await world.consumer.confirm(target(2))).adopted);
      }));

    it("does not take the circuit breaker's return for the version that was wanted", () =>
      inSite({ ...mode, circuitBreaker: { rollback: true }, options: { failedTasks: 100 } }, async (world) => {
        const { site, consumer, target } = world;
        site.breakVersion(2);
        const message = await failure(consumer.roll(target(2)));
        assert.match(message, /circuit breaker|was replaced/);
        assert.match(message, /exit code 7/);
        assert.equal((await consumer.confirm(target(2))).adopted, false);
        assert.equal((await (await world.restart()).confirm(target(2))).adopted, false);
        await world.consumer.roll(target(1));
        assert.ok((await world.consumer.confirm(target(1))).adopted);
        assert.deepEqual(await site.serving(), [1]);
      }));

    it("gives up when the time is over, and says how far it came", () =>
      inSite({ ...mode, options: { readyTimeout: "300ms" } }, async ({ site, consumer, target }) => {
        site.ecs.hold("RUNNING");
        const message = await failure(consumer.roll(target(2)));
        assert.match(message, /not within 300 ms: deployment ecs-svc\/\d+ is IN_PROGRESS, 0 of 1 tasks run, 1 pending/);
        assert.deepEqual(await site.serving(), [1]);
      }));

    it("says about every ten seconds what it waits for, how long, and how much is left", () =>
      inSite({ ...mode, clock: skippingClock(), options: { interval: "5s", readyTimeout: "30s" } }, async (world) => {
        world.site.ecs.hold("RUNNING");
        await failure(world.consumer.roll(world.target(2)));
        const progress = world.lines.filter((line) => line.startsWith("Waiting for"));
        assert.equal(progress.length, 2);
        assert.match(
          progress[0]!,
          /consumer "orders" to run v2 of "orders-db" for 10 seconds, 20 seconds left: deployment .* 0 of 1 tasks run/,
        );
      }));
  });

describe("an ecs consumer whose service is another one than it thinks", function () {
  this.timeout(30_000);
  useCredentials();

  it("says that somebody has deployed something else meanwhile", () =>
    inSite(REVISE, async ({ site, consumer, target }) => {
      site.ecs.hold("RUNNING");
      const rolled = failure(consumer.roll(target(2)));
      await until("the deployment", () => site.service.taskDefinition.revision === 2);
      // Seen once, so that the other one is not taken for an answer that is too old.
      await until("a look", () => site.ecs.calls.at(-1)?.operation === "ListTasks");
      site.service.deploy(site.ecs.definitions.find("orders-api:1").definition);
      assert.match(await rolled, /it was replaced: deployment ecs-svc\/\d+ of orders-api:1 takes its place/);
      site.ecs.release();
    }));

  it("refuses deployment controllers and strategies that it cannot follow, and changes nothing", async () => {
    const others = [
      { service: { controller: "CODE_DEPLOY" }, words: /controller CODE_DEPLOY: AWS CodeDeploy makes its deployments/ },
      { service: { controller: "EXTERNAL" }, words: /controller EXTERNAL: its task sets are made by others/ },
      { service: { strategy: "BLUE_GREEN" }, words: /strategy BLUE_GREEN; only ROLLING/ },
    ] as const;
    for (const { service, words } of others)
      await inSite(KEEP, async ({ site, restart, target }) => {
        site.ecs.createService({ name: "other", taskDefinition: "orders-api", desiredCount: 0, ...service });
        const message = await failure((await restart({ service: "other" })).roll(target(2)), ConfigurationError);
        assert.match(message, words);
        assert.equal(site.changes(), 0);
      });
  });

  it("says which of cluster and service does not exist, or is being deleted", () =>
    inSite(KEEP, async ({ site, restart, target }) => {
      const refused = async (more: Record<string, unknown>) =>
        failure((await restart(more)).roll(target(2)), ConfigurationError);
      assert.match(await refused({ service: "nobody" }), /service nobody of the cluster orders does not exist/);
      assert.match(await refused({ cluster: "nowhere" }), /ClusterNotFoundException.*Correct `cluster`/);
      site.service.status = "DRAINING";
      assert.match(await refused({}), /is DRAINING: it is being deleted/);
      assert.equal(site.changes(), 0);
    }));
});

describe("an ecs consumer and what it is allowed to do", function () {
  this.timeout(30_000);
  useCredentials();

  const NEEDED = {
    "that revises": [
      ...["DescribeServices", "DescribeTaskDefinition", "ListTaskDefinitions", "RegisterTaskDefinition"],
      ...["UpdateService", "ListTasks", "DescribeTasks", "TagResource"],
    ],
    "that keeps": [
      "DescribeServices",
      "DescribeTaskDefinition",
      "TagResource",
      "UpdateService",
      "ListTasks",
      "DescribeTasks",
    ],
  } as const;

  for (const [title, mode] of Object.entries(MODES))
    it(`names each permission that is missing, one ${title}`, async () => {
      for (const action of NEEDED[title as keyof typeof NEEDED])
        await inSite(mode, async ({ site, consumer, target }) => {
          site.ecs.deny([`ecs:${action}`]);
          // What a broken version needs beyond what a good one does: the reasons of the tasks.
          const message = await failure(
            consumer.roll(target(2)).then(() => consumer.confirm(target(2))),
            ConfigurationError,
          );
          assert.match(message, new RegExp(`Allow ecs:${action} on `));
        });
    });

  for (const [title, mode] of Object.entries(MODES))
    it(`needs nothing beyond the policy that is documented, one ${title}`, () =>
      inSite(mode, async ({ site, consumer, target }) => {
        const revises = { family: "orders-api", roles: ["arn:aws:iam::123456789012:role/ecsTaskExecutionRole"] };
        const policy = ecsConsumerPolicy({ service: site.service.arn, ...(mode === REVISE ? { revises } : {}) });
        const allowed = (JSON.parse(policy) as { Statement: { Action: string[] }[] }).Statement.flatMap(
          (one) => one.Action,
        );
        const all = ["iam:PassRole", ...ECS_OPERATIONS.map((operation) => `ecs:${operation}`)];
        site.ecs.deny(all.filter((action) => !allowed.includes(action)));
        await consumer.roll(target(2));
        assert.ok((await consumer.confirm(target(2))).adopted);
        site.breakVersion(3);
        await failure(consumer.roll(target(3)));
        await consumer.roll(target(2));
        assert.deepEqual(await site.serving(), [2]);
        // And it needs each of them.
        assert.deepEqual([...new Set(allowed)].length, mode === REVISE ? 9 : 6);
      }));

  it("names iam:PassRole, which a revision with roles needs", () =>
    inSite(REVISE, async ({ site, consumer, target }) => {
      site.ecs.deny(["iam:PassRole"]);
      const message = await failure(consumer.roll(target(2)), ConfigurationError);
      assert.match(
        message,
        /Allow iam:PassRole on the task role and the execution role .* to ecs-tasks\.amazonaws\.com/,
      );
      assert.deepEqual(await site.serving(), [1]);
    }));

  it("names the role also where ECS wraps its refusal in an error of its own", () =>
    inSite(REVISE, async ({ site, consumer, target }) => {
      site.ecs.fail({
        operation: "RegisterTaskDefinition",
        code: "ClientException",
        message: "User: arn:aws:iam::123456789012:user/x is not authorized to perform: iam:PassRole on resource: y",
      });
      assert.match(
        await failure(consumer.roll(target(2)), ConfigurationError),
        /\(ClientException\).*Allow iam:PassRole/,
      );
    }));

  it("says that nobody answers at an address, and leaves everything as it is", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await inSite(KEEP, async ({ site, restart, target }) => {
      const consumer = await restart({ endpoint: `http://127.0.0.1:${port}` });
      assert.match(
        await failure(consumer.roll(target(2)), UnreachableError),
        /Amazon ECS could not be reached.*ECONNREFUSED/,
      );
      await failure(consumer.confirm(target(2)), UnreachableError);
      assert.deepEqual(await site.serving(), [1]);
    });
  });
});

describe("the options of an ecs consumer", () => {
  const given = { type: "ecs", name: "orders", cluster: "prod", service: "orders" };
  const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf";
  const problem = (more: Record<string, unknown>) => {
    const parsed = ecsConsumerOptions.safeParse({ ...given, ...more });
    return parsed.success ? "" : parsed.error.issues.map(({ message }) => message).join("\n");
  };

  it("are checked with messages for people", () => {
    assert.equal(problem({}), "");
    assert.equal(problem({ taskDefinition: "revise", secrets: { "orders-db": arn } }), "");
    assert.equal(problem({ secrets: { "orders-db": { variable: "DB_VERSION" } } }), "");
    assert.match(problem({ taskDefinition: "new" }), /must be "revise" or "keep"; it is "new"/);
    assert.match(problem({ taskDefinition: "revise" }), /"revise" needs secrets/);
    assert.match(problem({ secrets: { "orders-db": "orders/db" } }), /the ARN of a secret/);
    assert.match(problem({ secrets: { "orders-db": {} } }), /ARN of a secret|arn, variable or both/);
    assert.match(problem({ pinned: true }), /no option "pinned"; allowed are: type, name/);
    assert.match(problem({ failedTasks: 0 }), /failedTasks must be a whole number from 1 to 100/);
    assert.match(problem({ endpoint: "http://ecs.example.com" }), /endpoint must be a URL that begins with https/);
  });
});
