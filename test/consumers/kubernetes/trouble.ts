/** New versions that do not come up: when that is noticed, what is said of it, and how the workload gets back. */
import assert from "node:assert/strict";
import { ConsumerError } from "../../../provider/lifecycle/errors";
import { failureOf, NAMESPACE, podWithEnvFrom, realContext, targetOf, type Any, type Kind, type Site } from "./site";

/** From the first pod that does not come up to the error. */
const NOTICED_WITHIN_MS = 15_000;

export function describeTrouble(site: () => Site): void {
  const firstFailing = (app: string) => {
    const { failingSince } = site().plane.kubelet;
    return Math.min(...[...failingSince].filter(([pod]) => pod.startsWith(`${app}-`)).map(([, at]) => at));
  };
  /** Rolls to what does not come up. @returns what is said of it */
  const broken = async (kind: Kind, name: string, target: Parameters<typeof targetOf>[0], given: Any = {}) => {
    const consumer = await site().consumer({ workload: { kind, name }, ...given });
    const error = await failureOf(consumer.roll(targetOf(target)));
    const noticed = performance.now() - firstFailing(name);
    assert.ok(error instanceof ConsumerError, error.stack);
    assert.ok(noticed < NOTICED_WITHIN_MS, `noticed after ${Math.round(noticed)} ms`);
    return { consumer, message: error.message };
  };

  describe("a version that does not come up", () => {
    it("is noticed by a crash loop, and the ReplicaSet of the version before is scaled up again", async () => {
      const name = site().newName();
      const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      const [before, sets] = [await site().template("Deployment", name), await site().replicaSets(name)];
      const pods = (await site().pods(name)).map(({ metadata }) => metadata.name);
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const { consumer, message } = await broken("Deployment", name, v2);
      assert.match(
        message,
        /pod \S+, container app: CrashLoopBackOff \(back-off 10s restarting failed container.*\), 2 restarts, its last end: Error, exit code 1/,
      );
      assert.match(message, /1 of 3 pods are updated, 3 available|0 available/);
      // None of those that served was taken away.
      const left = (await site().pods(name)).map(({ metadata }) => metadata.name);
      assert.deepEqual(
        pods.filter((pod) => !left.includes(pod)),
        [],
      );
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
      assert.deepEqual(await site().template("Deployment", name), before);
      const after = await site().replicaSets(name);
      for (const set of Object.keys(sets)) assert.equal(after[set], 3);
      assert.equal(Object.keys(after).length, 2);
    });

    for (const kind of ["StatefulSet", "DaemonSet"] as Kind[]) {
      it(`is noticed in a ${kind}, and its pod is taken out of the way when it is put back`, async () => {
        const name = site().newName();
        const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
        await site().deploy(kind, name, podWithEnvFrom(`${name}-v1-e1`));
        const before = await site().template(kind, name);
        site().plane.kubelet.broken.add(`${name}-v2-e2`);
        const { message } = await broken(kind, name, v2);
        assert.match(
          message,
          new RegExp(`${kind} "${name}": 1 of \\d pods are updated.*container app: CrashLoopBackOff`),
        );
        const context = realContext();
        const consumer = await site().consumer({ workload: { kind, name } }, context);
        await consumer.roll(targetOf(v1));
        assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
        assert.deepEqual(await site().template(kind, name), before);
        const deleted = context.lines.some((line) => /which does not come up; it was deleted/.test(line));
        assert.equal(deleted, kind === "StatefulSet");
      });
    }

    it("names pod, container, Secret and variable of a container that cannot be configured", async () => {
      const [name, other] = [site().newName(), site().newName("mail")];
      const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().publish(other, 1);
      const key = { name: `${other}-v1-e1`, key: "password" };
      const spec = podWithEnvFrom(`${name}-v1-e1`);
      spec.containers[0].env = [{ name: "MAIL", valueFrom: { secretKeyRef: key } }];
      await site().deploy("Deployment", name, spec);
      // Those that run have read it; those that start cannot.
      await site().ask("DELETE", `secrets/${other}-v1-e1`);
      const { consumer, message } = await broken("Deployment", name, v2);
      assert.match(
        message,
        new RegExp(
          `pod ${name}-\\S+, container app: CreateContainerConfigError \\(secret "${other}-v1-e1" not found\\): env MAIL of container "app"`,
        ),
      );
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
    });

    it("names pod, container, volume and path of a file that a Secret does not have", async () => {
      const [name, other] = [site().newName(), site().newName("tls")];
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      const secret = (keys: string[]) => ({
        metadata: { name: other },
        stringData: Object.fromEntries(keys.map((one) => [one, PEM])),
      });
      await site().must("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, secret(["tls.crt"]));
      const spec = podWithEnvFrom(`${name}-v1-e1`);
      spec.volumes = [
        { name: "tls", secret: { secretName: other, items: [{ key: "tls.crt", path: "certs/server.pem" }] } },
      ];
      spec.containers[0].volumeMounts = [{ name: "tls", mountPath: "/etc/tls" }];
      await site().deploy("Deployment", name, spec);
      await site().ask("DELETE", `secrets/${other}`);
      await site().must("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, secret(["server.crt"]));
      const { message } = await broken("Deployment", name, v2);
      assert.match(
        message,
        new RegExp(
          `pod ${name}-\\S+, volume "tls", mounted in container app at /etc/tls: FailedMount \\(MountVolume\\.SetUp failed for volume "tls" : ` +
            `references non-existent secret key: tls\\.crt\\): the key "tls\\.crt" of the Secret "${other}" for the path "certs/server\\.pem" does not exist`,
        ),
      );
    });

    it("names an image that cannot be pulled", async () => {
      const name = site().newName();
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      const image = [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: "no-such-image:1" }];
      await site().patch("Deployment", name, image);
      const { message } = await broken("Deployment", name, v2);
      assert.match(message, /container app: ImagePullBackOff \(Back-off pulling image "no-such-image:1"\)/);
    });

    it("tells of pods that no node takes, when the time is over", async () => {
      const name = site().newName();
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      const selector = [{ op: "add", path: "/spec/template/spec/nodeSelector", value: { disk: "none" } }];
      await site().patch("Deployment", name, selector);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name }, timeout: "3s" });
      const error = await failureOf(consumer.roll(targetOf(v2)));
      assert.ok(error instanceof ConsumerError);
      assert.match(
        error.message,
        /not within 3 seconds: Deployment .*pod \S+ is not scheduled: 0\/2 nodes are available/,
      );
    });

    it("tells why pods cannot be made, when the time is over", async () => {
      for (const kind of ["Deployment", "StatefulSet"] as const) {
        const name = site().newName();
        const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
        await site().deploy(kind, name, podWithEnvFrom(`${name}-v1-e1`), { replicas: 1 });
        // That there is none is only found when a pod is made.
        const priority = [{ op: "add", path: "/spec/template/spec/priorityClassName", value: "no-such-class" }];
        await site().patch(kind, name, priority);
        const consumer = await site().consumer({ workload: { kind, name }, timeout: "2s" });
        const error = await failureOf(consumer.roll(targetOf(v2)));
        assert.ok(error instanceof ConsumerError);
        assert.match(error.message, /no PriorityClass with name no-such-class was found/);
      }
    });

    it("is told by the Deployment's own deadline, and what failed before does not count for what follows", async () => {
      const name = site().newName();
      const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`), { progressDeadlineSeconds: 2 });
      const never = { spec: { template: { metadata: { annotations: { "kubelet.test/never-ready": "yes" } } } } };
      await site().patch("Deployment", name, never);
      const { message } = await broken("Deployment", name, v2);
      assert.match(message, /it made no progress within its progressDeadlineSeconds \(2\): 1 of 3 pods are updated/);
      assert.match(message, /pod \S+ is not ready, though it runs/);
      const well = { spec: { template: { metadata: { annotations: { "kubelet.test/never-ready": null } } } } };
      await site().patch("Deployment", name, well);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name } });
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
    });

    it("waits for what passes: a pod that crashed once, or a Secret that a node does not see yet", async () => {
      const [name, other] = [site().newName(), site().newName("late")];
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      const spec = podWithEnvFrom(`${name}-v1-e1`);
      const body = { metadata: { name: other }, stringData: { a: "b" } };
      await site().must("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, body);
      spec.volumes = [{ name: "late", secret: { secretName: other } }];
      await site().deploy("Deployment", name, spec);
      await site().ask("DELETE", `secrets/${other}`);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name } });
      const rolled = consumer.roll(targetOf(v2));
      await site().untilTrue("a pod hangs", async () => Number.isFinite(firstFailing(name)));
      await site().must("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, body);
      await rolled;
      assert.equal((await consumer.confirm(targetOf(v2))).adopted, true);
    });
  });
}

const PEM = "not a certificate";
