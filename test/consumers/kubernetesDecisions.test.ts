/** What the Kubernetes consumer decides from what the API server says, without one. */
import assert from "node:assert/strict";
import { kubernetesConsumerOptions } from "../../provider/consumers/kubernetes";
import { applyBody, extract, fieldAt, union } from "../../provider/consumers/kubernetes/apply";
import { progressOf } from "../../provider/consumers/kubernetes/progress";
import { describeWaiting, mayHangOnVolume, troubleOf } from "../../provider/consumers/kubernetes/trouble";
import { selectorText, type Kind, type Pod, type Workload } from "../../provider/consumers/kubernetes/workload";

type Any = any;

function workloadOf(kind: Kind, spec: Any, status: Any, metadata: Any = {}): Workload {
  return {
    kind,
    metadata: { name: "orders", uid: "u", resourceVersion: "7", generation: 3, ...metadata },
    spec: { selector: {}, template: { spec: {} }, ...spec },
    status: { observedGeneration: 3, ...status },
  };
}

const podOf = (status: Any, spec: Any = {}): Pod => ({
  metadata: { name: "orders-1", uid: "p" },
  spec: { nodeName: "node-1", containers: [{ name: "app" }], ...spec },
  status: { phase: "Pending", ...status },
});
const waiting = (reason: string, message?: string, more: Any = {}) => ({
  containerStatuses: [{ name: "app", state: { waiting: { reason, message } }, ...more }],
});

describe("how far a roll-out is", () => {
  const deployed = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
  const set = { ...deployed, currentRevision: "b", updateRevision: "b" };
  const daemons = { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 };
  const cases: [string, Workload, ReturnType<typeof progressOf>["is"], RegExp][] = [
    ["a Deployment is done", workloadOf("Deployment", { replicas: 3 }, deployed), "done", /3 of 3 pods are updated/],
    [
      "its controller is behind",
      workloadOf("Deployment", { replicas: 3 }, { ...deployed, observedGeneration: 2 }),
      "waiting",
      /has not seen the change/,
    ],
    [
      "pods of before are left",
      workloadOf("Deployment", { replicas: 3 }, { ...deployed, replicas: 4 }),
      "waiting",
      /1 of the version before are left/,
    ],
    [
      "some are not available",
      workloadOf("Deployment", {}, { ...deployed, availableReplicas: 2 }),
      "waiting",
      /2 available/,
    ],
    ["a Deployment is to have one pod by default", workloadOf("Deployment", {}, {}), "waiting", /0 of 1 pods/],
    ["a Deployment has no replicas", workloadOf("Deployment", { replicas: 0 }, {}), "done", /0 replicas/],
    [
      "pods cannot be made",
      workloadOf(
        "Deployment",
        {},
        { conditions: [{ type: "ReplicaFailure", status: "True", message: "exceeded quota: small" }] },
      ),
      "waiting",
      /pods cannot be made: exceeded quota: small/,
    ],
    ["a StatefulSet is done", workloadOf("StatefulSet", { replicas: 3 }, set), "done", /3 of 3/],
    [
      "a StatefulSet has two revisions",
      workloadOf("StatefulSet", { replicas: 3 }, { ...set, currentRevision: "a" }),
      "waiting",
      /3 of 3/,
    ],
    [
      "a pod of a StatefulSet is not ready",
      workloadOf("StatefulSet", { replicas: 3 }, { ...set, readyReplicas: 2 }),
      "waiting",
      /2 ready/,
    ],
    ["a DaemonSet is done", workloadOf("DaemonSet", {}, daemons), "done", /2 of 2/],
    [
      "a DaemonSet is not everywhere",
      workloadOf("DaemonSet", {}, { ...daemons, updatedNumberScheduled: 1 }),
      "waiting",
      /1 of 2/,
    ],
    ["a DaemonSet fits no node", workloadOf("DaemonSet", {}, {}), "done", /no node/],
  ];
  for (const [what, workload, is, detail] of cases)
    it(`is ${is} where ${what}`, () => {
      const progress = progressOf(workload);
      assert.equal(progress.is, is);
      assert.match(progress.detail, detail);
    });

  it("does not take the deadline of the roll-out before for that of this one", () => {
    const conditions = [
      {
        type: "Progressing",
        status: "False",
        reason: "ProgressDeadlineExceeded",
        lastUpdateTime: "2026-11-01T10:00:00Z",
      },
    ];
    const at = (time: string, more: Any = {}) => ({
      managedFields: [{ manager: "x", time, fieldsV1: { "f:spec": {} }, ...more }],
    });
    const is = (metadata: Any) => progressOf(workloadOf("Deployment", {}, { conditions }, metadata)).is;
    assert.equal(is(at("2026-11-01T09:59:59Z")), "failed");
    assert.equal(is(at("2026-11-01T10:00:00Z")), "waiting");
    assert.equal(is(at("2026-11-01T10:00:01Z")), "waiting");
    assert.equal(is(at("2026-11-01T10:00:01Z", { subresource: "scale" })), "failed", "scaling is no new roll-out");
    assert.equal(is(at("2026-11-01T10:00:01Z", { fieldsV1: { "f:metadata": {} } })), "failed");
  });
});

describe("what a pod says of itself", () => {
  it("is no trouble while it starts, and none once it is ready, has ended or is going", () => {
    assert.equal(troubleOf(podOf(waiting("ContainerCreating")), []), undefined);
    const crash = waiting("CrashLoopBackOff");
    assert.ok(troubleOf(podOf(crash), []));
    assert.equal(troubleOf(podOf({ ...crash, conditions: [{ type: "Ready", status: "True" }] }), []), undefined);
    assert.equal(troubleOf(podOf({ ...crash, phase: "Failed" }), []), undefined);
    const pod = podOf(crash);
    assert.equal(troubleOf({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: "now" } }, []), undefined);
  });

  it("is certain after several restarts, also between two of them", () => {
    const lastState = { terminated: { reason: "OOMKilled", exitCode: 137 } };
    const between = { containerStatuses: [{ name: "app", restartCount: 3, state: { running: {} }, lastState }] };
    const trouble = troubleOf(podOf(between), []);
    assert.equal(trouble?.isCertain, true);
    assert.match(trouble.detail, /container app: restarts, 3 restarts, its last end: OOMKilled, exit code 137/);
    const once = { containerStatuses: [{ name: "app", restartCount: 1, state: { running: {} }, lastState }] };
    assert.equal(troubleOf(podOf(once), []), undefined);
  });

  it("names the variable of a key that is missing", () => {
    const env = [{ name: "PW", valueFrom: { secretKeyRef: { name: "db-v2-e2", key: "pasword" } } }];
    const message = "couldn't find key pasword in Secret shop/db-v2-e2";
    const spec = { containers: [{ name: "app", env }] };
    const trouble = troubleOf(podOf(waiting("CreateContainerConfigError", message), spec), []);
    assert.match(
      trouble?.detail ?? "",
      /CreateContainerConfigError \(couldn't find key pasword.*\): env PW of container "app"$/,
    );
  });

  it("is asked for by events where a volume may hang, and only of volumes that the API fills", () => {
    assert.equal(mayHangOnVolume(podOf(waiting("ContainerCreating"))), true);
    assert.equal(mayHangOnVolume(podOf(waiting("ImagePullBackOff"))), false);
    assert.equal(mayHangOnVolume(podOf({}, { nodeName: undefined })), false);
    const volumes = [
      { name: "creds", projected: { sources: [{ secret: { name: "db", items: [{ key: "a", path: "b/c" }] } }] } },
      { name: "disk", persistentVolumeClaim: { claimName: "x" } },
    ];
    const mount = { name: "creds", mountPath: "/run/db", subPath: "b" };
    const pod = podOf(waiting("ContainerCreating"), { volumes, containers: [{ name: "app", volumeMounts: [mount] }] });
    const event = (message: string) => [{ reason: "FailedMount", message }];
    const found = troubleOf(
      pod,
      event('MountVolume.SetUp failed for volume "creds" : references non-existent secret key: a'),
    );
    assert.match(
      found?.detail ?? "",
      /volume "creds", mounted in container app at \/run\/db \(subPath b\): FailedMount.*the key "a" for the path "b\/c" does not exist/,
    );
    assert.equal(troubleOf(pod, event('MountVolume.SetUp failed for volume "disk" : device not found')), undefined);
    assert.equal(troubleOf(pod, event("Unable to attach or mount volumes: timed out")), undefined);
  });

  it("is told in one line that is not too long", () => {
    const trouble = troubleOf(podOf(waiting("ErrImagePull", `a\n\tb${"x".repeat(1000)}`)), []);
    assert.ok((trouble?.detail.length ?? 0) < 400);
    assert.match(trouble?.detail ?? "", /\(a bx+\.\.\.\)/);
    assert.match(describeWaiting(podOf(waiting("PodInitializing")), []), /container app waits \(PodInitializing\)/);
    const warned = describeWaiting(podOf({}), [{ reason: "FailedCreatePodSandBox", message: "no network." }]);
    const probed = podOf({}, {});
    const unhealthy = (message: string) => describeWaiting(probed, [{ reason: "Unhealthy", message }]);
    assert.match(
      unhealthy("Readiness probe failed: password hunter2 refused"),
      /Unhealthy \(Readiness probe failed\)$/,
    );
    const http = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    assert.ok(unhealthy(http).endsWith(`Unhealthy (${http})`));
    assert.equal(warned, "pod orders-1 is not ready, its last event: FailedCreatePodSandBox (no network)");
  });
});

describe("what is applied", () => {
  const volumes = [
    { name: "a", secret: { secretName: "a-v2", defaultMode: 420 } },
    { name: "b", secret: { secretName: "b-v1" } },
    { name: "c", emptyDir: {} },
  ];
  const workload = (managedFields: Any[]) =>
    workloadOf(
      "Deployment",
      { template: { spec: { volumes, containers: [{ name: "app", envFrom: [{ x: 1 }] }] } } },
      {},
      { managedFields },
    );
  const field = (name: string) => fieldAt(["spec", "template", "spec", "volumes", { name }, "secret", "secretName"]);
  const body = (managedFields: Any[], changed = field("a")) => applyBody(workload(managedFields), changed) as Any;
  const first = { name: "a", secret: { secretName: "a-v2" } };

  it("is what changes, and what makes it fail where the workload is another one by now", () => {
    assert.deepEqual(body([]), {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "orders", uid: "u", resourceVersion: "7" },
      spec: { template: { spec: { volumes: [first] } } },
    });
  });

  it("is also what was applied before, and nothing that others own", () => {
    const own = { manager: "pulumi-rotating-secrets", operation: "Apply", fieldsV1: field("b") };
    const others = [
      { ...own, manager: "kubectl", fieldsV1: field("c") },
      { ...own, operation: "Update", fieldsV1: { "f:spec": { "f:replicas": {} } } },
      { ...own, subresource: "status", fieldsV1: { "f:status": {} } },
    ];
    const both = [first, { name: "b", secret: { secretName: "b-v1" } }];
    assert.deepEqual(body([...others, own]).spec, { template: { spec: { volumes: both } } });
    const gone = { ...own, fieldsV1: field("not there any more") };
    assert.deepEqual(body([gone]).spec, { template: { spec: { volumes: [first] } } });
  });

  it("is the whole of a list that is atomic", () => {
    const envFrom = fieldAt(["spec", "template", "spec", "containers", { name: "app" }, "envFrom"]);
    assert.deepEqual(body([], envFrom).spec.template.spec, { containers: [{ name: "app", envFrom: [{ x: 1 }] }] });
    assert.deepEqual(extract({ a: { b: 1, c: 2 } }, { "f:a": {} }), { a: { b: 1, c: 2 } });
    assert.deepEqual(extract({ a: { b: 1, c: 2 } }, { "f:a": { ".": {}, "f:c": {} }, "f:none": {} }), { a: { c: 2 } });
    assert.deepEqual(extract(["x", "y"], { 'v:"y"': {} }), ["y"]);
    assert.deepEqual(union({ a: { b: {} } }, { a: { c: {} }, d: {} }), { a: { b: {}, c: {} }, d: {} });
  });

  it("asks for pods as the API has selectors", () => {
    const matchExpressions = [
      { key: "tier", operator: "In", values: ["web", "api"] },
      { key: "old", operator: "NotIn", values: ["yes"] },
      { key: "a", operator: "Exists" },
      { key: "b", operator: "DoesNotExist" },
    ];
    const text = selectorText({ matchLabels: { app: "orders" }, matchExpressions });
    assert.equal(text, "app=orders,tier in (web,api),old notin (yes),a,!b");
  });
});

describe("the options of a Kubernetes consumer", () => {
  const least = { type: "kubernetes", name: "orders", namespace: "shop", selector: "app=orders" };
  const refused = (more: Any, wanted: RegExp) => {
    const parsed = kubernetesConsumerOptions.safeParse({ ...least, ...more });
    assert.match(parsed.error?.issues.map(({ message }) => message).join("; ") ?? "", wanted);
  };

  it("take the least, and all", () => {
    assert.equal(kubernetesConsumerOptions.safeParse(least).success, true);
    const workload = { kind: "StatefulSet", name: "orders.db" };
    const all = {
      wave: 1,
      kubeconfig: "in-cluster",
      secrets: { "a b": "orders-db" },
      timeout: "1h",
      interval: "100ms",
    };
    const { error } = kubernetesConsumerOptions.safeParse({
      ...{ ...least, ...all, selector: undefined, workload, requestTimeout: "5s", declared: true },
      ...{ adoptionTimeout: "5m", readersCache: "1m", adoption: { url: "https://orders/adoption" } },
    });
    assert.equal(error, undefined);
  });

  it("say what is wrong, and what is allowed", () => {
    refused({ workload: { kind: "Deployment", name: "orders" } }, /either workload, .* or selector, and not both/);
    refused({ selector: undefined }, /either workload, .* or selector, and not both/);
    const pod = { kind: "Pod", name: "orders" };
    refused(
      { selector: undefined, workload: pod },
      /kind must be one of Deployment, StatefulSet, DaemonSet; it is "Pod"/,
    );
    refused({ namespace: "Shop" }, /namespace must be a text of 1 to 63 lower-case letters/);
    refused({ secrets: { a: "UPPER" } }, /the name of a kubernetesSecret store must be a text of 1 to 63/);
    refused({ annotationOnly: true, declared: true }, /annotationOnly and declared exclude each other/);
    refused(
      { kubeconfig: "apiVersion: v1\ntoken: hunter2" },
      /kubeconfig must be "in-cluster" or \{ path\?, context\? \}.*it is a string$/,
    );
    refused({ pinned: true }, /a kubernetes consumer has no option "pinned"/);
  });
});
