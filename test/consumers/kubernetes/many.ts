/** Several secrets, several workloads, and others who change the same workload. */
import assert from "node:assert/strict";
import { ConflictError, ConsumerError } from "../../../provider/lifecycle/errors";
import { interposed } from "./interposed";
import { failureOf, podWithEnvFrom, realContext, targetOf, type Any, type Site } from "./site";

export function describeMany(site: () => Site): void {
  const containers = (names: string[]) => ({
    containers: [{ name: "app", image: "app:1", envFrom: names.map((name) => ({ secretRef: { name } })) }],
  });
  const named = async (name: string): Promise<string[]> => {
    const { spec } = await site().template("Deployment", name);
    return spec.containers[0].envFrom.map(({ secretRef }: Any) => secretRef.name);
  };

  describe("several of them", () => {
    it("restarts each of 5 workloads once for 10 secrets that change together", async () => {
      const secrets = Array.from({ length: 10 }, () => site().newName("secret"));
      const apps = Array.from({ length: 5 }, () => site().newName("app"));
      for (const secret of secrets) await site().publish(secret, 1);
      for (const app of apps)
        await site().deploy("Deployment", app, containers(secrets.map((one) => `${one}-v1-e1`)), { replicas: 2 });
      const target = targetOf(...(await Promise.all(secrets.map((secret) => site().publish(secret, 2)))));
      const consumers = await Promise.all(
        apps.map((name) => site().consumer({ name, workload: { kind: "Deployment", name } })),
      );
      await Promise.all(consumers.map((consumer) => consumer.roll(target)));
      for (const [index, app] of apps.entries()) {
        const { adopted, detail } = await consumers[index]!.confirm(target);
        assert.ok(adopted, detail);
        assert.deepEqual(
          await named(app),
          secrets.map((one) => `${one}-v2-e2`),
        );
        const { metadata } = await site().get("Deployment", app);
        assert.equal(metadata.generation, 2, "one change of its spec");
        assert.deepEqual(Object.values(await site().replicaSets(app)).sort(), [0, 2], "one new ReplicaSet");
      }
    });

    it("moves what of the target a workload names, and leaves its other secrets", async () => {
      const [one, two, other] = [site().newName(), site().newName(), site().newName()];
      for (const name of [one, two, other]) await site().publish(name, 1);
      const app = site().newName("app");
      await site().deploy("Deployment", app, containers([`${one}-v1-e1`, `${other}-v1-e1`]));
      const target = targetOf(await site().publish(one, 2), await site().publish(two, 2));
      const consumer = await site().consumer({ workload: { kind: "Deployment", name: app } });
      await consumer.roll(target);
      assert.deepEqual(await named(app), [`${one}-v2-e2`, `${other}-v1-e1`]);
      const { adopted, detail } = await consumer.confirm(target);
      assert.ok(adopted, detail);
      assert.equal(detail, `Deployment "${app}": all 3 pods name ${one}-v2-e2`);
    });

    it("keeps what it moved before when it moves another secret of the same workload", async () => {
      const [one, two] = [site().newName(), site().newName()];
      const app = site().newName("app");
      const targets = [];
      for (const name of [one, two]) {
        const first = await site().publish(name, 1);
        targets.push([targetOf(first), targetOf(await site().publish(name, 2))] as const);
      }
      const volumes = [one, two].map((name) => ({ name, secret: { secretName: `${name}-v1-e1` } }));
      await site().deploy("Deployment", app, { containers: [{ name: "app", image: "app:1" }], volumes });
      const before = await site().template("Deployment", app);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name: app } });
      for (const [, next] of targets) await consumer.roll(next);
      const names = async () =>
        (await site().template("Deployment", app)).spec.volumes.map(({ secret }: Any) => secret.secretName);
      assert.deepEqual(await names(), [`${one}-v2-e2`, `${two}-v2-e2`]);
      await consumer.roll(targets[0]![0]);
      assert.deepEqual(await names(), [`${one}-v1-e1`, `${two}-v2-e2`]);
      await consumer.roll(targets[1]![0]);
      assert.deepEqual(await site().template("Deployment", app), before);
    });

    it("rolls every workload that a selector finds, of every kind, and no other", async () => {
      const secret = site().newName();
      const [v1, v2] = [await site().publish(secret, 1), await site().publish(secret, 2)];
      const team = site().newName("team");
      const kinds = ["Deployment", "StatefulSet", "DaemonSet", "Deployment"] as const;
      const apps = kinds.map((kind) => [kind, site().newName("app")] as const);
      for (const [kind, app] of apps)
        await site().deploy(kind, app, podWithEnvFrom(`${secret}-v1-e1`), { replicas: 2, labels: { team } });
      const bystander = site().newName("app");
      await site().deploy("Deployment", bystander, podWithEnvFrom(`${secret}-v1-e1`));
      const consumer = await site().consumer({ selector: `team=${team}` });
      await consumer.roll(targetOf(v2));
      const { adopted, detail } = await consumer.confirm(targetOf(v2));
      assert.ok(adopted, detail);
      for (const [kind, app] of apps) {
        assert.ok(detail.includes(`${kind} "${app}": all 2 pods`), detail);
        const { spec } = await site().template(kind, app);
        assert.equal(spec.containers[0].envFrom[0].secretRef.name, `${secret}-v2-e2`);
      }
      assert.deepEqual(await named(bystander), [`${secret}-v1-e1`]);
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
    });

    it("touches none of them where one cannot be rolled", async () => {
      const secret = site().newName();
      const v2 = [await site().publish(secret, 1), await site().publish(secret, 2)][1]!;
      const team = site().newName("team");
      const [well, not] = [site().newName("app"), site().newName("app")];
      await site().deploy("Deployment", well, podWithEnvFrom(`${secret}-v1-e1`), { labels: { team } });
      const onDelete = { labels: { team }, updateStrategy: { type: "OnDelete" } };
      await site().deploy("StatefulSet", not, podWithEnvFrom(`${secret}-v1-e1`), onDelete);
      const consumer = await site().consumer({ selector: `team=${team}` });
      const error = await failureOf(consumer.roll(targetOf(v2)));
      assert.match(error.message, new RegExp(`StatefulSet "${not}": its updateStrategy is OnDelete`));
      assert.deepEqual(await named(well), [`${secret}-v1-e1`]);
    });
  });

  describe("beside others", () => {
    const deployed = async () => {
      const name = site().newName();
      const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      return { name, v1, v2, workload: { kind: "Deployment", name } };
    };
    /** Somebody does this before each of so many changes of the consumer. */
    const meddled = (times: number, act: (time: number) => Promise<unknown>) => {
      let done = 0;
      return interposed(async ({ isChange }, proceed) => {
        if (isChange && done < times) await act(++done);
        return proceed();
      });
    };

    it("does not overwrite what somebody adds to an atomic list at the same moment", async () => {
      const { name, v2, workload } = await deployed();
      const other = site().newName("mail");
      await site().publish(other, 1);
      const value = { secretRef: { name: `${other}-v1-e1` } };
      const surroundings = meddled(1, () =>
        site().patch("Deployment", name, [{ op: "add", path: "/spec/template/spec/containers/0/envFrom/-", value }]),
      );
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      await consumer.roll(targetOf(v2));
      assert.deepEqual(await named(name), [`${name}-v2-e2`, `${other}-v1-e1`]);
    });

    it("gives up, and says so, where the workload is changed again each time", async () => {
      const { name, v2, workload } = await deployed();
      const surroundings = meddled(99, (time) =>
        site().patch("Deployment", name, { metadata: { annotations: { time: String(time) } } }),
      );
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      const error = await failureOf(consumer.roll(targetOf(v2)));
      assert.ok(error instanceof ConflictError, error.stack);
      assert.match(error.message, /was changed by others 10 times/);
      assert.deepEqual(await named(name), [`${name}-v1-e1`]);
    });

    it("does not take one that was made anew under the name for the one that it saw", async () => {
      const { name, v2, workload } = await deployed();
      const surroundings = meddled(1, async () => {
        await site().must("DELETE", `${site().apps("Deployment")}/${name}`);
        await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      });
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      const error = await failureOf(consumer.roll(targetOf(v2)));
      assert.ok(error instanceof ConsumerError, error.stack);
      assert.match(error.message, /was deleted while it was to be moved/);
      assert.deepEqual(await named(name), [`${name}-v1-e1`]);
    });

    it("makes nothing where the workload is deleted at the same moment", async () => {
      const { name, v2, workload } = await deployed();
      const surroundings = meddled(1, () => site().must("DELETE", `${site().apps("Deployment")}/${name}`));
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      assert.match((await failureOf(consumer.roll(targetOf(v2)))).message, /was deleted while it was to be moved/);
      const { code } = await site().plane.server.ask("admin", "GET", `${site().apps("Deployment")}/${name}`);
      assert.equal(code, 404);
    });

    it("notices at once when somebody moves it elsewhere while it rolls", async () => {
      const { name, v2, workload } = await deployed();
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const context = realContext();
      const rolled = failureOf((await site().consumer({ workload }, context)).roll(targetOf(v2)));
      await site().untilTrue("it was changed", async () => context.lines.length > 0);
      const back = [
        { op: "replace", path: "/spec/template/spec/containers/0/envFrom/0/secretRef/name", value: `${name}-v1-e1` },
      ];
      await site().patch("Deployment", name, back);
      assert.match((await rolled).message, /somebody changed its pod template to another version while it rolled/);
    });

    it("finds that its change took effect although the answer was lost", async () => {
      const { name, v2, workload } = await deployed();
      let changes = 0;
      const surroundings = interposed(async ({ isChange }, proceed) => {
        const isFirst = isChange && ++changes === 1;
        const answer = await proceed();
        if (isFirst) throw Object.assign(new Error("lost"), { code: "ECONNRESET" });
        return answer;
      });
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      await consumer.roll(targetOf(v2));
      assert.equal((await consumer.confirm(targetOf(v2))).adopted, true);
      assert.equal((await site().get("Deployment", name)).metadata.generation, 2);
      assert.equal(changes, 2);
    });
  });
}
