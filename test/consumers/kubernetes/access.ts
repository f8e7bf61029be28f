/** Who may roll what, and what is said when the API server cannot be asked. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { ConfigurationError, UnreachableError } from "../../../provider/lifecycle/errors";
import { freePort } from "../../support/servers";
import { interposed } from "./interposed";
import { failureOf, NAMESPACE, podWithEnvFrom, realContext, targetOf, type Any, type Kind, type Site } from "./site";

const CANCELLED_WITHIN_MS = 1000;

export function describeAccess(site: () => Site): void {
  const deployed = async (kind: Kind = "Deployment", more: Any = {}) => {
    const name = site().newName();
    const [v1, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
    await site().deploy(kind, name, podWithEnvFrom(`${name}-v1-e1`), more);
    return { name, v1, v2, workload: { kind, name } };
  };

  describe("with the documented Role", () => {
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/roles`;
    let rules: Any[];

    before(async () => {
      ({ rules } = await site().must("GET", `${roles}/rotation-consumer`));
      await site().grant("app", { metadata: { name: "without-one" }, rules });
    });

    /** The user "app" may do all of it but this. */
    const withhold = async (verb: string, resource: string, group: string) => {
      const less = rules.flatMap(({ apiGroups, resources, verbs }) =>
        resources.flatMap((one: string) =>
          verbs
            .filter((which: string) => !(which === verb && one === resource))
            .map((which: string) => ({ apiGroups, resources: [one], verbs: [which] })),
        ),
      );
      await site().must("PATCH", `${roles}/without-one`, { rules: less });
      const attributes = { namespace: NAMESPACE, verb, resource, group };
      await site().untilTrue("the permission is gone", async () => !(await mayApp(attributes)));
      await site().untilTrue("the others are there", async () =>
        mayApp(
          verb === "list" && resource === "pods"
            ? { ...attributes, resource: "events" }
            : { namespace: NAMESPACE, verb: "list", resource: "pods", group: "" },
        ),
      );
    };
    const mayApp = async (resourceAttributes: object): Promise<boolean> => {
      const spec = { user: "app", resourceAttributes };
      return (await site().must("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", { spec })).status.allowed;
    };
    const asApp = async () => ({ kubeconfig: { path: await site().plane.server.kubeconfig("app") } });

    it("names each permission that is missing", async () => {
      const missing: [string, string, string, (given: Any) => Promise<unknown>][] = [
        ["list", "secrets", "", rolls()],
        ["list", "pods", "", rolls()],
        ["list", "replicasets", "apps", rolls()],
        ["get", "deployments", "apps", rolls()],
        ["patch", "deployments", "apps", rolls()],
        ["get", "statefulsets", "apps", rolls("StatefulSet")],
        ["patch", "statefulsets", "apps", rolls("StatefulSet")],
        ["get", "daemonsets", "apps", rolls("DaemonSet")],
        ["patch", "daemonsets", "apps", rolls("DaemonSet")],
        ["list", "deployments", "apps", selects],
        ["list", "statefulsets", "apps", selects],
        ["list", "daemonsets", "apps", selects],
        ["list", "events", "", hangs],
        ["delete", "pods", "", isStuck],
      ];
      const documented = rules.flatMap(({ resources, verbs }) =>
        resources.flatMap((resource: string) => verbs.map((verb: string) => `${verb} ${resource}`)),
      );
      assert.deepEqual(missing.map(([verb, resource]) => `${verb} ${resource}`).sort(), documented.sort());
      for (const [verb, resource, group, act] of missing) {
        await withhold(verb, resource, group);
        const error = await failureOf(act(await asApp()));
        assert.ok(error instanceof ConfigurationError, `${verb} ${resource}: ${error.stack}`);
        assert.ok(
          error.message.includes(`user "app" may not ${verb} ${resource}`) &&
            error.message.includes(
              `(verb "${verb}", resource "${resource}", API group "${group}", namespace "${NAMESPACE}")`,
            ) &&
            error.message.includes("docs/consumers/kubernetes.md"),
          error.message,
        );
      }
    });

    const rolls =
      (kind: Kind = "Deployment") =>
      async (given: Any) => {
        const { v2, workload } = await deployed(kind, { replicas: 1 });
        await (await site().consumer({ workload, ...given })).roll(targetOf(v2));
      };
    const selects = async (given: Any) => {
      const { name, v2 } = await deployed("Deployment", { replicas: 1 });
      await (await site().consumer({ selector: `app=${name}`, ...given })).roll(targetOf(v2));
    };
    const hangs = async (given: Any) => {
      const [name, other] = [site().newName(), site().newName("files")];
      const [, v2] = [await site().publish(name, 1), await site().publish(name, 2)];
      await site().must("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, { metadata: { name: other } });
      const volumes = [{ name: "files", secret: { secretName: other } }];
      await site().deploy("Deployment", name, { ...podWithEnvFrom(`${name}-v1-e1`), volumes });
      await site().ask("DELETE", `secrets/${other}`);
      await (await site().consumer({ workload: { kind: "Deployment", name }, ...given })).roll(targetOf(v2));
    };
    const isStuck = async (given: Any) => {
      const { name, v1, v2, workload } = await deployed("StatefulSet", { replicas: 1 });
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const admin = await site().consumer({ workload, timeout: "2s" });
      await failureOf(admin.roll(targetOf(v2)));
      await (await site().consumer({ workload, ...given })).roll(targetOf(v1));
    };
  });

  describe("an API server that does not answer", () => {
    it("is told as unreachable, and nothing is changed", async () => {
      const { name, v2, workload } = await deployed();
      const path = await site().plane.server.kubeconfig("pipeline", `https://127.0.0.1:${await freePort()}`);
      const consumer = await site().consumer({ workload, kubeconfig: { path } });
      for (const act of [() => consumer.roll(targetOf(v2)), () => consumer.confirm(targetOf(v2))]) {
        const error = await failureOf(act());
        assert.ok(error instanceof UnreachableError, error.stack);
        assert.match(
          error.message,
          /Consumer "orders" could not list its Secrets: https:\S+ cannot be reached: connection refused/,
        );
      }
      assert.equal((await site().get("Deployment", name)).metadata.generation, 1);
    });

    it("is told as unreachable also while it rolls, and the run can go on later", async () => {
      const { v2, workload } = await deployed();
      let down = false;
      const surroundings = interposed(async ({ isChange }, proceed) => {
        if (down) throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
        down = isChange;
        return proceed();
      });
      const consumer = await site().consumer({ workload }, realContext(), surroundings);
      const error = await failureOf(consumer.roll(targetOf(v2)));
      assert.ok(error instanceof UnreachableError, error.stack);
      assert.match(error.message, /could not get the Deployment/);
      const next = await site().consumer({ workload });
      await next.roll(targetOf(v2));
      assert.equal((await next.confirm(targetOf(v2))).adopted, true);
    });

    it("is given up after its time, and a run that is cancelled ends at once", async () => {
      const { v2, workload } = await deployed();
      const silent = createServer(() => undefined);
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      try {
        const path = await site().plane.server.kubeconfig(
          "pipeline",
          `https://127.0.0.1:${(silent.address() as AddressInfo).port}`,
        );
        const given = { workload, kubeconfig: { path }, requestTimeout: "1s" };
        const late = await failureOf((await site().consumer(given)).roll(targetOf(v2)));
        assert.ok(late instanceof UnreachableError);
        assert.match(late.message, /did not answer within 1s/);
        const stop = new AbortController();
        const context = realContext(stop.signal);
        const rolled = failureOf(
          (await site().consumer({ ...given, requestTimeout: "60s" }, context)).roll(targetOf(v2)),
        );
        stop.abort(new Error("cancelled"));
        const at = performance.now();
        assert.equal((await rolled).message, "cancelled");
        assert.ok(performance.now() - at < CANCELLED_WITHIN_MS);
      } finally {
        silent.close();
      }
    });

    it("is left at once when the run is cancelled while it rolls", async () => {
      const { name, v2, workload } = await deployed();
      site().plane.kubelet.broken.add(`${name}-v2-e2`);
      const stop = new AbortController();
      const context = realContext(stop.signal);
      const consumer = await site().consumer({ workload, interval: "60s" }, context);
      const rolled = failureOf(consumer.roll(targetOf(v2)));
      await site().untilTrue("it was changed", async () => context.lines.length > 0);
      await site().untilTrue("a pod fails", async () => (await site().pods(name)).length > 3);
      stop.abort(new Error("cancelled"));
      const at = performance.now();
      assert.equal((await rolled).message, "cancelled");
      assert.ok(performance.now() - at < CANCELLED_WITHIN_MS);
    });
  });
}
