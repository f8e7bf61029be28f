import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { KubernetesSecretStore, secretNameOf, type KubernetesSecretStoreArgs } from "../../../components/kubernetes";
import { fileStore } from "../../../components/options";
import { kubernetesSecret } from "../../../components/stores";
import { readReference, referenceTo } from "../../../provider/lifecycle/reference";
import { isKnown, namesBefore, run, valueOf } from "./support";

const COMPONENT = { type: "rotation:kubernetes:KubernetesSecretStore", name: "orders-db", inputs: {} };
const ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role";
const BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding";

/** The provider names what the program does not. */
const world = {
  outputs: (type: string, { metadata }: Record<string, any>) =>
    type === ROLE ? { metadata: { ...metadata, name: "made-up-by-the-provider" } } : {},
};

function make(args: Partial<KubernetesSecretStoreArgs> = {}, more = {}) {
  return run(
    (opts) => new KubernetesSecretStore("orders-db", { namespace: "shop", name: "orders-db", ...args }, opts),
    { ...world, ...more },
  );
}

const kube = (kind: string) => ({ apiVersion: "rbac.authorization.k8s.io/v1", kind });
const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "made-up-by-the-provider" };

describe("KubernetesSecretStore", () => {
  it("makes nothing in a namespace that exists, unless somebody is to be given something", async () => {
    const { made, value } = await make();
    assert.deepEqual(made, [COMPONENT]);
    assert.deepEqual(await valueOf(value.store), { type: "kubernetesSecret", namespace: "shop", name: "orders-db" });
  });

  it("gives the pipeline what the store does with Secrets, in this namespace only", async () => {
    const { made } = await make({
      pipeline: [
        { kind: "ServiceAccount", name: "rotation" },
        { kind: "ServiceAccount", name: "rotation", namespace: "ci" },
        { kind: "User", name: "rotation@example.com" },
      ],
    });
    assert.deepEqual(made, [
      {
        type: ROLE,
        name: "orders-db-pipeline",
        inputs: {
          ...kube("Role"),
          metadata: { namespace: "shop" },
          rules: [
            { apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "create", "update", "delete"] },
            { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
          ],
        },
      },
      {
        type: BINDING,
        name: "orders-db-pipeline",
        inputs: {
          ...kube("RoleBinding"),
          metadata: { namespace: "shop" },
          roleRef,
          subjects: [
            { kind: "ServiceAccount", name: "rotation", namespace: "shop" },
            { kind: "ServiceAccount", name: "rotation", namespace: "ci" },
            { kind: "User", name: "rotation@example.com", apiGroup: "rbac.authorization.k8s.io" },
          ],
        },
      },
      COMPONENT,
    ]);
  });

  it("lets the pipeline roll workloads where it is told to", async () => {
    const pipeline = [{ kind: "User", name: "rotation" }] as const;
    const { made } = await make({ pipeline, rollsWorkloads: true });
    const page = readFileSync(join(__dirname, "../../../docs/consumers/kubernetes.md"), "utf8");
    const documented = [...page.matchAll(/resources: \[(.*)\]\n\s+verbs: \[(.*)\]/g)].map(([, ...lists]) => lists);
    const rules = (made[0]?.inputs as { rules: { resources: string[]; verbs: string[] }[] }).rules.slice(2);
    const inWords = (list: string[]) => list.map((one) => JSON.stringify(one)).join(", ");
    assert.deepEqual(
      rules.map(({ resources, verbs }) => [inWords(resources), inWords(verbs)]),
      documented,
    );
  });

  it("lets consumers read the stable Secret by its name, and nothing else", async () => {
    const { made } = await make({ stableName: true, consumers: [{ kind: "ServiceAccount", name: "web" }] });
    assert.deepEqual(made, [
      {
        type: ROLE,
        name: "orders-db-consumer",
        inputs: {
          ...kube("Role"),
          metadata: { namespace: "shop" },
          rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["orders-db"], verbs: ["get"] }],
        },
      },
      {
        type: BINDING,
        name: "orders-db-consumer",
        inputs: {
          ...kube("RoleBinding"),
          metadata: { namespace: "shop" },
          roleRef,
          subjects: [{ kind: "ServiceAccount", name: "web", namespace: "shop" }],
        },
      },
      COMPONENT,
    ]);
  });

  it("refuses consumers where there is no stable Secret that they could read", async () => {
    await assert.rejects(
      make({ consumers: [{ kind: "ServiceAccount", name: "web" }] }),
      /there is none for orders-db: .* Nothing was made\. Say stableName: true/,
    );
  });

  it("makes the namespace where it is told to, before all that is in it", async () => {
    const { made, value } = await make({
      namespace: { create: { name: pulumi.output("shop"), labels: { team: "orders" } } },
      pipeline: [{ kind: "Group", name: "rotation" }],
    });
    assert.deepEqual(made[0], {
      type: "kubernetes:core/v1:Namespace",
      name: "orders-db",
      inputs: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { team: "orders" } } },
    });
    assert.equal(await valueOf(value.namespace), "shop");
    assert.deepEqual(await namesBefore(value.store), [
      "kubernetes:core/v1:Namespace orders-db",
      `${ROLE} orders-db-pipeline`,
      `${BINDING} orders-db-pipeline`,
    ]);
  });

  it("does not say in a preview where the store is, while namespace or role are still to be made", async () => {
    const made = await make({ namespace: { create: { name: "shop" } } }, { preview: true });
    assert.equal(await isKnown(made.value.store), false);
    assert.equal(await isKnown((await make({}, { preview: true })).value.store), true);
  });

  it("gives the store as data", async () => {
    const { value } = await make({
      secretType: "kubernetes.io/basic-auth",
      stableName: true,
      format: "basic-auth",
      labels: { team: "orders" },
      connection: { kubeconfig: { context: "prod" }, cluster: "prod", timeout: "5s" },
    });
    assert.deepEqual(await valueOf(value.store), {
      type: "kubernetesSecret",
      namespace: "shop",
      name: "orders-db",
      secretType: "kubernetes.io/basic-auth",
      stableName: true,
      format: "basic-auth",
      labels: { team: "orders" },
      kubeconfig: { context: "prod" },
      cluster: "prod",
      timeout: "5s",
    });
  });
});

describe("secretNameOf", () => {
  const store = kubernetesSecret({ namespace: "shop", name: "orders" });
  const named = (ref: string, where: pulumi.Input<typeof store> = store) =>
    run(() => secretNameOf({ ref: pulumi.output(ref) }, where));

  it("names the Secret of the version and epoch that the secret's output names", async () => {
    // As the resource itself writes it, whatever the secret is called.
    const ref = referenceTo("orders/v1@2-db", { version: 12, epoch: 34 });
    assert.equal(await valueOf((await named(ref)).value), "orders-v12-e34");
    assert.equal(await valueOf((await named("orders-db/v7@3", pulumi.output(store))).value), "orders-v7-e3");
  });

  it("follows the secret: what takes the name is replaced with it", async () => {
    const { value } = await run(() => secretNameOf({ ref: pulumi.unknown as never }, store), { preview: true });
    assert.equal(await isKnown(value), false);
  });

  it("refuses what is no reference to a version", async () => {
    assert.equal(readReference("orders-db/v7"), undefined);
    const { value } = await run(() => valueOf(secretNameOf({ ref: pulumi.output("orders-db") }, store)));
    await assert.rejects(value, /"orders-db" is no reference/);
  });

  it("refuses a store that is not in a cluster", async () => {
    const { value } = await run(() => {
      const output = secretNameOf(
        { ref: pulumi.output("orders-db/v7@3") },
        fileStore({ path: "x", key: { keyFile: "y" } }),
      );
      return valueOf(output);
    });
    await assert.rejects(value, /of type "file"/);
  });
});
