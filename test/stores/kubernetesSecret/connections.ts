/** The ways to a cluster, and what is said where one leads nowhere. */
import assert from "node:assert/strict";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError, UnreachableError } from "../../../provider/lifecycle/errors";
import { loadClient } from "../../../provider/net/kubernetes/client";
import { kubeconfigFor } from "../../support/kubernetes";
import { failureOf, realContext, type Site } from "./site";

const NO_LEDGER = { revision: "0", body: undefined, current: null };

export function describeConnections(site: () => Site): void {
  let files = 0;
  const written = async (text: string, mode = 0o600) => {
    const path = join(site().server.folder, `connection-${++files}`);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  };
  /** @param user the YAML of the user in the kubeconfig. */
  const loggingIn = async (user: string) => {
    const { url, authority } = site().server;
    return written(kubeconfigFor(url, authority, "no-token").replace("{token: no-token}", user));
  };
  const load = async (kubeconfig: unknown, context = realContext()) =>
    (await site().open({ name: "reached", kubeconfig }, context)).load();

  describe("reaching a cluster", () => {
    it("takes the context that is named", async () => {
      const { url, authority } = site().server;
      const more = "extensions: []\n";
      const text = kubeconfigFor(url, authority, "pipeline-token", more)
        .replace("contexts: [", "contexts: [{name: other, context: {cluster: nowhere, user: test}}, ")
        .replace("clusters: [", 'clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}, ');
      const path = await written(text);
      assert.deepEqual(await load({ path, context: "test" }), NO_LEDGER);
      assert.ok((await failureOf(load({ path, context: "other" }))) instanceof UnreachableError);
      const unknown = await failureOf(load({ path, context: "third" }));
      assert.ok(unknown instanceof ConfigurationError);
      assert.match(unknown.message, /no context "third"; it has other, test/);
    });

    it("takes KUBECONFIG where nothing is named, and says where there is none", async () => {
      const path = await site().server.kubeconfig("pipeline");
      await withEnvironment({ KUBECONFIG: path }, async () => {
        assert.deepEqual(await load({}), NO_LEDGER);
        assert.deepEqual(await load({ context: "test" }), NO_LEDGER);
      });
      await withEnvironment({ KUBECONFIG: undefined, HOME: site().server.folder }, async () => {
        const error = await failureOf(load({}));
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /There is no kubeconfig/);
      });
    });

    it("takes a pod's service account", async () => {
      const root = join(site().server.folder, "pod");
      const folder = join(root, "var/run/secrets/kubernetes.io/serviceaccount");
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "token"), site().server.token("pipeline"));
      await writeFile(join(folder, "ca.crt"), site().server.authority);
      const { host, port } = site().server;
      const pod = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: String(port) };
      const open = () => site().open({ name: "reached", kubeconfig: "in-cluster" }, realContext(), { root });
      await withEnvironment(pod, async () => assert.deepEqual(await (await open()).load(), NO_LEDGER));
      await withEnvironment({ KUBERNETES_SERVICE_HOST: undefined }, async () => {
        const error = await failureOf((await open()).load());
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /runs in no pod with a service account/);
      });
    });

    it("logs in with a client certificate", async () => {
      const role = {
        metadata: { name: "by-certificate" },
        rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }],
      };
      await site().grant("test", role);
      const path = await loggingIn("{client-certificate: client.crt, client-key: client.key}");
      let last: unknown;
      for (let attempt = 0; attempt < 100 && last !== "0"; attempt++)
        last = await load({ path }).then(
          ({ revision }) => revision,
          (error: unknown) => error,
        );
      assert.equal(last, "0", String(last));
    });

    it("logs in with a plugin, and says when that fails, but not what it says", async () => {
      const credential = (token: string) =>
        JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token } });
      const plugin = async (script: string) =>
        loggingIn(
          `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ${await written(`#!/bin/sh\n${script}\n`, 0o700)}}}`,
        );
      assert.deepEqual(await load({ path: await plugin(`echo '${credential("pipeline-token")}'`) }), NO_LEDGER);
      for (const script of ["echo the pipeline-token >&2; exit 1", "echo not JSON but pipeline-token"]) {
        const error = await failureOf(load({ path: await plugin(script) }));
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /the plugin \S+ of user "test" failed/);
      }
      const missing = await loggingIn("{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin}}");
      assert.match(
        (await failureOf(load({ path: missing }))).message,
        /no-such-plugin of user "test" is not installed/,
      );
    });

    it("says that a kubeconfig cannot be read, and shows nothing of it", async () => {
      const broken: [string, RegExp][] = [
        ["users:\n  - user: {token: pipeline-token\n  x", /it is not YAML, at line \d/],
        ["pipeline-token", /it is not what a kubeconfig should be|has no current context/],
        ["", /it is not what a kubeconfig should be/],
        ["clusters: [{cluster: {server: pipeline-token}}]", /clusters\[0\]\.name is missing/],
        ["clusters: []\nusers: []\ncontexts: []", /has no current context; it has none/],
        ["contexts: [{name: a, context: {cluster: b, user: c}}]\ncurrent-context: a", /no cluster for its context "a"/],
      ];
      for (const [text, wanted] of broken) {
        const error = await failureOf(load({ path: await written(text) }));
        assert.ok(error instanceof ConfigurationError, error.stack);
        assert.match(error.message, wanted);
      }
      const absent = await failureOf(load({ path: "/no/such/kubeconfig" }));
      assert.match(absent.message, /The kubeconfig \/no\/such\/kubeconfig could not be read: .*does not exist/);
    });

    it("verifies the API server's certificate", async () => {
      const text = await readFile(await site().server.kubeconfig("pipeline"), "utf8");
      const untrusted = text.replace(/, certificate-authority-data: [^}]*/, "");
      const error = await failureOf(load({ path: await written(untrusted) }));
      assert.ok(error instanceof UnreachableError);
      assert.match(error.message, /its certificate is not trusted \(\w+\); the kubeconfig names its authority/);
      const named = await written(text.replace("//127.0.0.1", "//localhost"));
      assert.match((await failureOf(load({ path: named }))).message, /its certificate is for another host name/);
      const plain = await failureOf(load({ path: await written(text.replace("https:", "http:")) }));
      assert.ok(plain instanceof ConfigurationError);
      assert.match(plain.message, /at http:\/\/127\.0\.0\.1:\d+, without TLS/);
      const context = realContext();
      const path = await written(untrusted.replace("{server", "{insecure-skip-tls-verify: true, server"));
      assert.deepEqual(await load({ path }, context), NO_LEDGER);
      assert.match(context.lines.join("\n"), /turns off the verification of the API server's certificate/);
    });

    it("tries again after a log-in that failed", async () => {
      const path = join(site().server.folder, "later.kubeconfig");
      const store = await site().open({ name: "reached", kubeconfig: { path } });
      await failureOf(store.load());
      await writeFile(path, await readFile(await site().server.kubeconfig("pipeline")));
      assert.deepEqual(await store.load(), NO_LEDGER);
    });

    it("says how to install the client where it is missing, or too new for this Node.js", async () => {
      const failing = (error: Error) =>
        failureOf(loadClient("The kubernetesSecret store", () => Promise.reject(error)));
      const missing = await failing(Object.assign(new Error("gone"), { code: "ERR_MODULE_NOT_FOUND" }));
      assert.ok(missing instanceof ConfigurationError);
      assert.match(missing.message, /npm install @kubernetes\/client-node/);
      const broken = await failing(new TypeError("it breaks"));
      const [major = 0] = process.versions.node.split(".").map(Number);
      if (major >= 23) assert.equal(broken.message, "it breaks");
      if (major < 22) assert.match(broken.message, /Run: npm install @kubernetes\/client-node@1/);
    });
  });
}

async function withEnvironment(
  changes: Readonly<Record<string, string | undefined>>,
  work: () => Promise<void>,
): Promise<void> {
  const before = Object.keys(changes).map((key) => [key, process.env[key]] as const);
  const set = (entries: Iterable<readonly [string, string | undefined]>) => {
    for (const [key, value] of entries) {
      if (value === undefined) Reflect.deleteProperty(process.env, key);
      else process.env[key] = value;
    }
  };
  set(Object.entries(changes));
  try {
    await work();
  } finally {
    set(before);
  }
}
