/** What is changed of a workload, what of it stays, and what is left of the version before. */
import assert from "node:assert/strict";
import { failureOf, NAMESPACE, podWithEnvFrom, realContext, targetOf, type Any, type Kind, type Site } from "./site";

export function describeRolls(site: () => Site): void {
  describe("moving a workload", () => {
    for (const kind of ["Deployment", "StatefulSet", "DaemonSet"] as Kind[]) {
      it(`rolls a ${kind}, confirms by its pods, and puts back exactly what was there`, async () => {
        const name = site().newName();
        const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
        await site().deploy(kind, name, podWithEnvFrom(`${name}-v1-e1`));
        const before = await site().template(kind, name);
        const consumer = await site().consumer({ workload: { kind, name } });
        assert.equal(consumer.pinned, true);
        assert.equal(consumer.hasEvidence, true);
        assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
        assert.equal((await consumer.confirm(targetOf(v2))).adopted, false);
        const revisions = await revisionsOf(kind, name);

        await consumer.roll(targetOf(v2));
        const pods = await site().pods(name);
        assert.equal(pods.length, kind === "DaemonSet" ? 2 : 3);
        for (const pod of pods) assert.equal(pod.spec.containers[0].envFrom[0].secretRef.name, `${name}-v2-e2`);
        const { adopted, detail } = await consumer.confirm(targetOf(v2));
        assert.ok(adopted, detail);
        assert.equal(detail, `${kind} "${name}": all ${pods.length} pods name ${name}-v2-e2`);
        assert.equal((await consumer.confirm(targetOf(v1))).adopted, false);
        for (const pod of pods)
          assert.deepEqual(JSON.parse(pod.metadata.annotations["pulumi-rotating-secrets/versions"]), {
            [name]: { version: 2, fingerprint: v2.fingerprint },
          });
        const both = await revisionsOf(kind, name);
        assert.equal(both.length, revisions.length + 1);

        await consumer.roll(targetOf(v1));
        assert.deepEqual(await site().template(kind, name), before);
        assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
        assert.deepEqual(await revisionsOf(kind, name), both, "no further revision");
      });
    }

    const revisionsOf = async (kind: Kind, name: string): Promise<string[]> => {
      if (kind === "Deployment") return Object.keys(await site().replicaSets(name)).sort();
      const path = `/apis/apps/v1/namespaces/${NAMESPACE}/controllerrevisions?labelSelector=app%3D${name}`;
      return (await site().must("GET", path)).items.map(({ metadata }: Any) => metadata.name).sort();
    };

    it("moves every way in which a pod can have the Secret, and leaves all else as it is", async () => {
      const [name, other] = [site().newName(), site().newName("mail")];
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().publish(other, 1);
      const container = (secret: string, key: string) => ({
        name: key,
        image: "app:1",
        env: [
          { name: "PLAIN", value: "as it is" },
          { name: "PASSWORD", valueFrom: { secretKeyRef: { name: secret, key: "password", optional: true } } },
          { name: "FOREIGN", valueFrom: { secretKeyRef: { name: `${other}-v1-e1`, key: "password" } } },
        ],
        envFrom: [{ prefix: "DB_", secretRef: { name: secret } }, { secretRef: { name: `${other}-v1-e1` } }],
        volumeMounts: [{ name: "files", mountPath: "/run/files", readOnly: true }],
      });
      const spec = (secret: string) => ({
        initContainers: [container(secret, "migrate")],
        containers: [container(secret, "app"), container(secret, "side")],
        volumes: [
          { name: "files", secret: { secretName: secret, defaultMode: 256, items: [{ key: "password", path: "pw" }] } },
          {
            name: "all",
            projected: {
              defaultMode: 292,
              sources: [
                { secret: { name: secret } },
                { downwardAPI: { items: [] } },
                { secret: { name: `${other}-v1-e1` } },
              ],
            },
          },
          { name: "scratch", emptyDir: {} },
        ],
      });
      await site().deploy("Deployment", name, spec(`${name}-v1-e1`));
      const before = await site().template("Deployment", name);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name } });
      await consumer.roll(targetOf(v2));
      const after = await site().template("Deployment", name);
      const expected = JSON.parse(JSON.stringify(before.spec).replaceAll(`${name}-v1-e1`, `${name}-v2-e2`));
      assert.deepEqual(after.spec, expected);
      assert.equal((await site().pods(name)).length, 3);
    });

    it("owns only what it moves, under a name of its own", async () => {
      const name = site().newName();
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      const volumes = [{ name: "files", secret: { secretName: `${name}-v1-e1` } }];
      await site().deploy("Deployment", name, { containers: [{ name: "app", image: "app:1" }], volumes });
      await (await site().consumer({ workload: { kind: "Deployment", name } })).roll(targetOf(v2));
      const { metadata } = await site().get("Deployment", name);
      const ours = metadata.managedFields.filter(({ manager }: Any) => manager === "pulumi-rotating-secrets");
      assert.equal(ours.length, 1);
      assert.equal(ours[0].operation, "Apply");
      assert.deepEqual(ours[0].fieldsV1, {
        "f:metadata": { "f:annotations": { "f:pulumi-rotating-secrets/former": {} } },
        "f:spec": {
          "f:template": {
            "f:metadata": { "f:annotations": { "f:pulumi-rotating-secrets/versions": {} } },
            "f:spec": {
              "f:volumes": { 'k:{"name":"files"}': { ".": {}, "f:name": {}, "f:secret": { "f:secretName": {} } } },
            },
          },
        },
      });
    });

    it("changes nothing where the version is named already, under whatever epoch", async () => {
      const name = site().newName();
      const v1 = await site().publish(name, 1);
      await site().publish(name, 2);
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      await site().publish(name, 1, 3);
      const before = await site().get("Deployment", name);
      const consumer = await site().consumer({ workload: { kind: "Deployment", name } });
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
      const after = await site().get("Deployment", name);
      assert.equal(after.metadata.generation, before.metadata.generation);
    });

    it("takes the Secret of the latest epoch where it was not told of one before", async () => {
      const name = site().newName();
      const v1 = await site().publish(name, 1);
      await site().publish(name, 2);
      await site().publish(name, 1, 3);
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v2-e2`));
      await (await site().consumer({ workload: { kind: "Deployment", name } })).roll(targetOf(v1));
      const template = await site().template("Deployment", name);
      assert.equal(template.spec.containers[0].envFrom[0].secretRef.name, `${name}-v1-e3`);
    });

    it("goes on where it was killed after the change, and waits for the same roll-out", async () => {
      const name = site().newName();
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`));
      const stop = new AbortController();
      const context = realContext(stop.signal);
      const first = await site().consumer({ workload: { kind: "Deployment", name } }, context);
      const killed = failureOf(first.roll(targetOf(v2)));
      await site().untilTrue("it was changed", async () => context.lines.length > 0);
      stop.abort(new Error("killed"));
      assert.equal((await killed).message, "killed");
      const { generation } = (await site().get("Deployment", name)).metadata;
      const next = await site().consumer({ workload: { kind: "Deployment", name } });
      await next.roll(targetOf(v2));
      assert.equal((await next.confirm(targetOf(v2))).adopted, true);
      assert.equal((await site().get("Deployment", name)).metadata.generation, generation);
    });

    it("counts a pod of the version before that is still ending as not adopted, until it is gone", async () => {
      const name = site().newName();
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      const more = { podAnnotations: { "kubelet.test/lingers": "yes" }, replicas: 1 };
      await site().deploy("Deployment", name, podWithEnvFrom(`${name}-v1-e1`), more);
      const [old] = await site().pods(name);
      const workload = { kind: "Deployment", name };
      const consumer = await site().consumer({ workload, adoptionTimeout: "1s" });
      await consumer.roll(targetOf(v2));
      const early = await consumer.confirm(targetOf(v2));
      assert.equal(early.adopted, false);
      assert.match(early.detail, new RegExp(`pod ${old.metadata.name} names ${name}-v1-e1 and is ending`));
      const patient = await site().consumer({ workload, adoptionTimeout: "20s" });
      const confirmed = patient.confirm(targetOf(v2));
      const gone = `pods/${old.metadata.name}`;
      await site().ask("PATCH", gone, { metadata: { annotations: { "kubelet.test/lingers": null } } });
      assert.equal((await confirmed).adopted, true);
    });
  });
}
