/** What may be written, and what is said of the rest. */
import assert from "node:assert/strict";
import { kubernetesSecretStoreOptions, createKubernetesSecretStore } from "../../../provider/stores/kubernetesSecret";
import { realContext } from "./site";

const GOOD = { type: "kubernetesSecret", namespace: "shop", name: "orders-db" };

function parse(given: object) {
  return kubernetesSecretStoreOptions.safeParse({ ...GOOD, ...given });
}

function refusal(given: object): string {
  const { success, error } = parse(given);
  assert.equal(success, false, JSON.stringify(given));
  return error.issues.map(({ message }) => message).join("; ");
}

function location(given: object): string {
  return createKubernetesSecretStore(kubernetesSecretStoreOptions.parse({ ...GOOD, ...given }), realContext()).location;
}

export function describeOptions(): void {
  describe("its options", () => {
    it("take every option", () => {
      const all = {
        kubeconfig: { path: "/etc/kubeconfig", context: "prod" },
        cluster: "prod",
        secretType: "kubernetes.io/tls",
        stableName: true,
        format: "tls",
        labels: { team: "shop", "example.com/cost-centre": "42" },
        timeout: "30s",
      };
      assert.ok(parse(all).success);
      assert.ok(parse({ kubeconfig: "in-cluster" }).success);
      assert.ok(parse({ name: "a.b-c.0" }).success);
    });

    it("refuse names that Kubernetes refuses, or that could meet those of another secret", () => {
      for (const name of ["Orders", "orders_db", "-orders", "orders-", "a..b", "", "x".repeat(64), 7])
        assert.match(refusal({ name }), /name must be a text of 1 to 63 lower-case letters, digits and hyphens/);
      for (const name of ["orders-rotation", "orders-v1-e2", `orders-rotation-${"0a".repeat(12)}`])
        assert.match(refusal({ name }), /name must not end like the names that are made from it/);
      assert.match(refusal({ namespace: "a.b" }), /namespace must be .*; it is "a\.b"/);
    });

    it("name what is allowed", () => {
      assert.match(refusal({ secretType: "tls" }), /must be one of Opaque, kubernetes\.io\/tls, .*; it is "tls"/);
      assert.match(refusal({ stableName: "yes" }), /stableName must be true or false/);
      assert.match(refusal({ timeout: "1h" }), /timeout must be a duration/);
      assert.match(refusal({ format: { text: "${password}" } }), /format must be one of/);
      assert.match(refusal({ secret: 1 }), /has no option "secret"; allowed are: type, namespace, name/);
    });

    it("refuse labels that Kubernetes refuses, and those of this store", () => {
      for (const key of ["a b", "/x", "x/", "-x", "UPPER.example/x", "x".repeat(64)])
        assert.match(refusal({ labels: { [key]: "v" } }), /is no key of a label/);
      for (const value of ["a b", "-v", "x".repeat(64), "ü"])
        assert.match(refusal({ labels: { team: value } }), /labels\.team must be/);
      for (const key of ["app.kubernetes.io/managed-by", "pulumi-rotating-secrets/role"])
        assert.match(refusal({ labels: { [key]: "v" } }), /this store sets it/);
    });

    it("do not repeat a kubeconfig that somebody put in the place of its path", () => {
      for (const kubeconfig of [
        "apiVersion: v1\ntoken: very-secret",
        { users: [{ user: { token: "very-secret" } }] },
      ]) {
        const message = refusal({ kubeconfig });
        assert.match(message, /kubeconfig must be "in-cluster" or/);
        assert.ok(!message.includes("very-secret"), message);
      }
    });

    it("tell clusters apart by how they are reached, or by the name that is given", () => {
      assert.equal(location({}), "kubernetes:default/shop/orders-db");
      assert.equal(location({ kubeconfig: "in-cluster" }), "kubernetes:in-cluster/shop/orders-db");
      assert.equal(location({ kubeconfig: { context: "prod" } }), "kubernetes:prod/shop/orders-db");
      assert.equal(location({ kubeconfig: { path: "k.yaml", context: "a" } }), "kubernetes:k.yaml#a/shop/orders-db");
      assert.equal(
        location({ kubeconfig: { context: "a" }, cluster: "c" }),
        location({ kubeconfig: "in-cluster", cluster: "c" }),
      );
    });
  });
}
