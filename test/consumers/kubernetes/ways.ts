/** Workloads that cannot be rolled as they are, those that read the secret by themselves, and those of a program. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigurationError, ConsumerError, NotFoundError } from "../../../provider/lifecycle/errors";
import { failureOf, podWithEnvFrom, realContext, targetOf, type Any, type Kind, type Site } from "./site";

export function describeWays(site: () => Site): void {
  const deployed = async (kind: Kind = "Deployment", more: Any = {}, spec?: (name: string) => Any) => {
    const name = site().newName();
    const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
    await site().deploy(kind, name, (spec ?? ((one) => podWithEnvFrom(`${one}-v1-e1`)))(name), more);
    return { name, v1, v2, workload: { kind, name } };
  };
  const refused = async (kind: Kind, more: Any, wanted: RegExp, spec?: (name: string) => Any) => {
    const { name, v2, workload } = await deployed(kind, more, spec);
    const before = await site().get(kind, name);
    const error = await failureOf((await site().consumer({ workload })).roll(targetOf(v2)));
    assert.ok(error instanceof ConfigurationError, error.stack);
    assert.match(error.message, wanted);
    assert.match(error.message, /Nothing was changed/);
    assert.equal((await site().get(kind, name)).metadata.generation, before.metadata.generation);
    return { name, message: error.message };
  };

  describe("a workload that cannot be rolled as it is", () => {
    it("is a Deployment that is paused", async () => {
      await refused(
        "Deployment",
        { paused: true },
        /it is paused\. Resume it: kubectl rollout resume deployment\/orders-/,
      );
    });

    it("is a Deployment that is paused while it rolls", async () => {
      const { name, v2, workload } = await deployed();
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const context = realContext();
      const rolled = failureOf((await site().consumer({ workload }, context)).roll(targetOf(v2)));
      await site().untilTrue("it was changed", async () => context.lines.length > 0);
      await site().patch("Deployment", name, { spec: { paused: true } });
      const error = await rolled;
      assert.ok(error instanceof ConsumerError);
      assert.match(error.message, /pods are updated.*: it is paused\. Resume it/);
    });

    it("is one whose pods change only when somebody deletes them", async () => {
      for (const kind of ["StatefulSet", "DaemonSet"] as const)
        await refused(kind, { updateStrategy: { type: "OnDelete" } }, /its updateStrategy is OnDelete/);
    });

    it("is a StatefulSet with a partition", async () => {
      const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 2 } };
      await refused("StatefulSet", { updateStrategy }, /its updateStrategy has the partition 2/);
    });

    it("is one that names no Secret of the target, and is told what to write", async () => {
      const bare = () => ({ containers: [{ name: "app", image: "app:1" }] });
      const { name, message } = await refused("Deployment", {}, /its pod template names no Secret of/, bare);
      assert.ok(
        message.includes(`"${name}-v2-e2" as the secretName of a volume, in envFrom or in a secretKeyRef`),
        message,
      );
      assert.match(message, /say annotationOnly: true/);
    });

    it("is one that names the Secret that is changed in place", async () => {
      const stable = (name: string) => ({
        containers: [{ name: "app", image: "app:1", envFrom: [{ secretRef: { name, optional: true } }] }],
      });
      // The simulated kubelet knows no optional Secret.
      const { v2, workload, name } = await deployed("Deployment", { replicas: 0 }, stable);
      const error = await failureOf((await site().consumer({ workload })).roll(targetOf(v2)));
      assert.match(error.message, new RegExp(`It names "${name}", which is changed in place`));
    });

    it("is one that takes a key which the new Secret lacks, by volume, projection or variable", async () => {
      const keys: [string, (name: string) => Any][] = [
        [
          'its volume "files" takes the key "username" for the path "user"',
          (secretName) => ({
            volumes: [{ name: "files", secret: { secretName, items: [{ key: "username", path: "user" }] } }],
          }),
        ],
        [
          'its projected volume "all" takes the key "username" for the path "user"',
          (name) => ({
            volumes: [
              {
                name: "all",
                projected: { sources: [{ secret: { name, items: [{ key: "username", path: "user" }] } }] },
              },
            ],
          }),
        ],
        [
          'its env USER_NAME of container "app" takes the key "username"',
          (name) => ({
            containers: [
              {
                name: "app",
                image: "app:1",
                env: [{ name: "USER_NAME", valueFrom: { secretKeyRef: { name, key: "username" } } }],
              },
            ],
          }),
        ],
      ];
      for (const [wanted, spec] of keys) {
        const { name, workload } = await deployed("Deployment", {}, (one) => ({
          containers: [{ name: "app", image: "app:1" }],
          ...spec(`${one}-v1-e1`),
        }));
        const v3 = await site().publishFields(name, 3, { password: "another-value-of-it" });
        const error = await failureOf((await site().consumer({ workload })).roll(targetOf(v3)));
        assert.ok(error instanceof ConfigurationError, error.stack);
        assert.ok(error.message.includes(`${wanted} of the Secret "${name}-v3-e3", which has password`), error.message);
        assert.equal((await site().get("Deployment", name)).metadata.generation, 1);
      }
    });

    it("is one that takes it for an image pull secret", async () => {
      const spec = (name: string) => ({
        ...podWithEnvFrom(`${name}-v1-e1`),
        imagePullSecrets: [{ name: `${name}-v1-e1` }],
      });
      await refused("Deployment", {}, /its imagePullSecrets name "orders-.*kubernetes\.io\/dockerconfigjson/, spec);
    });

    it("is one that is not there", async () => {
      const { v2 } = await deployed();
      const absent = { kind: "Deployment", name: "no-such" };
      const error = await failureOf((await site().consumer({ workload: absent })).roll(targetOf(v2)));
      assert.ok(error instanceof NotFoundError);
      assert.match(error.message, /there is no Deployment "no-such" in the namespace "shop"/);
      const none = await failureOf((await site().consumer({ selector: "team=no-such" })).roll(targetOf(v2)));
      assert.ok(none instanceof NotFoundError);
      assert.match(none.message, /has labels that fit "team=no-such"/);
      const odd = await failureOf((await site().consumer({ selector: "team==!x=" })).roll(targetOf(v2)));
      assert.ok(odd instanceof ConfigurationError, odd.stack);
      assert.match(odd.message, /the API server cannot read "team==!x="/);
    });
  });

  describe("a version that the cluster does not have", () => {
    it("is told with all that was looked for, before anything is touched", async () => {
      const { name, v2, workload } = await deployed();
      const v3 = { ...v2, ref: { version: 3, token: "token of nothing" } };
      const consumer = await site().consumer({ workload });
      for (const act of [() => consumer.roll(targetOf(v3)), () => consumer.confirm(targetOf(v3))]) {
        const error = await failureOf(act());
        assert.ok(error instanceof ConfigurationError);
        assert.ok(
          error.message.includes(
            `Looked for one called ${name}-v3-e<epoch> with the labels app.kubernetes.io/managed-by=`,
          ),
          error.message,
        );
        assert.match(
          error.message,
          /pulumi-rotating-secrets\/version=3 and the fingerprint fp-.*; there is none with these labels/,
        );
      }
    });

    it("is not the one of an earlier ledger, or of another value", async () => {
      const { v2, workload } = await deployed();
      const consumer = await site().consumer({ workload });
      const error = await failureOf(consumer.roll(targetOf({ ...v2, fingerprint: "another" })));
      assert.match(error.message, /"orders-\d+-v2-e2" has the fingerprint fp-orders-\d+-2 and the token token of/);
      const token = { ...v2, ref: { ...v2.ref, token: "another" } };
      assert.ok((await failureOf(consumer.roll(targetOf(token)))) instanceof ConfigurationError);
    });

    it("is looked for under the name of its store", async () => {
      const { name, v2, workload } = await deployed();
      const renamed = { ...v2, secret: "the database of the orders" };
      const consumer = await site().consumer({ workload, secrets: { [renamed.secret]: name } });
      await consumer.roll(targetOf(renamed));
      assert.equal((await consumer.confirm(targetOf(renamed))).adopted, true);
      const { annotations } = (await site().template("Deployment", name)).metadata;
      assert.ok(annotations["pulumi-rotating-secrets/versions"].includes(renamed.secret));
    });
  });

  describe("a workload without pods", () => {
    it("is rolled and confirmed by its template", async () => {
      for (const kind of ["Deployment", "StatefulSet"] as const) {
        const { name, v2, workload } = await deployed(kind, { replicas: 0 });
        const consumer = await site().consumer({ workload });
        await consumer.roll(targetOf(v2));
        const { adopted, detail } = await consumer.confirm(targetOf(v2));
        assert.ok(adopted, detail);
        assert.equal(detail, `${kind} "${name}": it has no pod, its template names ${name}-v2-e2`);
        await site().patch(kind, name, { spec: { replicas: 1 } });
        await site().untilRolled(kind, name);
        assert.match((await consumer.confirm(targetOf(v2))).detail, /its only pod names/);
      }
    });

    it("is a DaemonSet that fits no node", async () => {
      const name = site().newName();
      const v2 = [await site().publish(name, 1), await site().publish(name, 2)][1]!;
      const spec = { ...podWithEnvFrom(`${name}-v1-e1`), nodeSelector: { none: "such" } };
      const labels = { app: name };
      await site().must("POST", site().apps("DaemonSet"), {
        metadata: { name },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
      });
      const consumer = await site().consumer({ workload: { kind: "DaemonSet", name } });
      await consumer.roll(targetOf(v2));
      assert.equal((await consumer.confirm(targetOf(v2))).adopted, true);
    });
  });

  describe("a workload that reads the secret by itself", () => {
    const bare = () => ({ containers: [{ name: "app", image: "app:1" }] });

    it("is only restarted, which is no evidence and pins it to nothing", async () => {
      const { name, v1, v2, workload } = await deployed("Deployment", {}, bare);
      const consumer = await site().consumer({ workload, annotationOnly: true });
      assert.equal(consumer.pinned, false);
      assert.equal(consumer.hasEvidence, false);
      const before = (await site().pods(name)).map(({ metadata }) => metadata.name);
      await consumer.roll(targetOf(v2));
      const after = (await site().pods(name)).map(({ metadata }) => metadata.name);
      assert.deepEqual(
        before.filter((pod) => after.includes(pod)),
        [],
      );
      const { adopted, detail } = await consumer.confirm(targetOf(v2));
      assert.equal(adopted, false);
      assert.match(
        detail,
        /no evidence of the version in use: it was only restarted\. Deployment "orders-\d+": all 3 pods name v2/,
      );
      const generation: number = (await site().get("Deployment", name)).metadata.generation;
      await consumer.roll(targetOf(v2));
      assert.equal((await site().get("Deployment", name)).metadata.generation, generation);
      await consumer.roll(targetOf(v1));
      assert.equal((await site().get("Deployment", name)).metadata.generation, generation + 1);
    });

    it("confirms by what it says itself, where it has an adoption address", async () => {
      const { v2, workload } = await deployed("Deployment", {}, bare);
      let fingerprint = "of-before";
      const app = createServer((_request, response) => response.end(JSON.stringify({ fingerprint })));
      await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
      try {
        const url = `http://127.0.0.1:${(app.address() as AddressInfo).port}/adoption`;
        const given = { workload, annotationOnly: true, adoption: { url }, adoptionTimeout: "500ms" };
        const consumer = await site().consumer(given);
        assert.equal(consumer.hasEvidence, true);
        await consumer.roll(targetOf(v2));
        assert.match((await consumer.confirm(targetOf(v2))).detail, /uses the fingerprints of-before/);
        fingerprint = v2.fingerprint;
        assert.equal((await consumer.confirm(targetOf(v2))).adopted, true);
      } finally {
        await new Promise((resolve) => app.close(resolve));
      }
    });
  });

  describe("a workload that a program declares", () => {
    it("is only waited for and looked at", async () => {
      const { name, v2, workload } = await deployed();
      const consumer = await site().consumer({ workload, declared: true });
      assert.equal(consumer.pinned, false);
      assert.equal(consumer.hasEvidence, true);
      const stale = await failureOf(consumer.roll(targetOf(v2)));
      assert.ok(stale instanceof ConsumerError);
      assert.match(
        stale.message,
        /does not name v2 of .*Nothing was changed here, because it is declared in a program/,
      );
      assert.equal((await site().get("Deployment", name)).metadata.generation, 1);
      // What the engine does.
      const next = [
        { op: "replace", path: "/spec/template/spec/containers/0/envFrom/0/secretRef/name", value: `${name}-v2-e2` },
      ];
      await site().patch("Deployment", name, next);
      await consumer.roll(targetOf(v2));
      const { adopted, detail } = await consumer.confirm(targetOf(v2));
      assert.ok(adopted, detail);
      const { metadata } = await site().get("Deployment", name);
      assert.equal(metadata.generation, 2);
      assert.ok(!metadata.managedFields.some(({ manager }: Any) => manager === "pulumi-rotating-secrets"));
    });

    it("tells which pod of a StatefulSet has to be deleted, and does not do it", async () => {
      const { name, v1, v2, workload } = await deployed("StatefulSet", { replicas: 2 });
      const path = "/spec/template/spec/containers/0/envFrom/0/secretRef/name";
      const declare = (version: string) =>
        site().patch("StatefulSet", name, [{ op: "replace", path, value: `${name}-${version}` }]);
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      await declare("v2-e2");
      const consumer = await site().consumer({ workload, declared: true });
      await failureOf(consumer.roll(targetOf(v2)));
      await declare("v1-e1");
      const error = await failureOf(consumer.roll(targetOf(v1)));
      assert.ok(error instanceof ConsumerError);
      assert.ok(error.message.includes(`which does not come up: kubectl delete pod -n shop ${name}-1`), error.message);
      await site().ask("DELETE", `pods/${name}-1`);
      await consumer.roll(targetOf(v1));
      assert.equal((await consumer.confirm(targetOf(v1))).adopted, true);
    });

    it("is told of like any other where it does not come up", async () => {
      const { name, v2, workload } = await deployed();
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const next = [
        { op: "replace", path: "/spec/template/spec/containers/0/envFrom/0/secretRef/name", value: `${name}-v2-e2` },
      ];
      await site().patch("Deployment", name, next);
      const error = await failureOf((await site().consumer({ workload, declared: true })).roll(targetOf(v2)));
      assert.match(error.message, /container app: CrashLoopBackOff/);
    });
  });
}
