/** What is said when the API server says no; and that it holds no secret value. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import type { SecretStore } from "../../../provider/contracts/store";
import { ConfigurationError, StateError, UnreachableError } from "../../../provider/lifecycle/errors";
import { selfSigned } from "../../support/selfSigned";
import { kubeconfigFor } from "../../support/kubernetes";
import { listening } from "./listening";
import { failureOf, makeVersion, NAMESPACE, PASSWORD, rotate, untilAllowed, type Site } from "./site";

const FIRST = makeVersion(1);
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;

export function describeFailures(site: () => Site): void {
  const namespaceOf = async (name: string) => {
    await site().made("/api/v1/namespaces", { metadata: { name } });
    return name;
  };
  const asAdmin = async (given: object) =>
    site().open({ ...given, kubeconfig: { path: await site().server.kubeconfig("admin") } });

  describe("refused by the API server", () => {
    it("names the permission that is missing, whichever it is", async () => {
      const verbs = ["get", "list", "create", "update", "delete"];
      const name = "orders";
      const needs: Record<string, (store: SecretStore, revision: string) => Promise<unknown>> = {
        get: (store) => store.load(),
        list: (store) => store.list(),
        create: (store) => store.putVersion(makeVersion(2)),
        update: (store, revision) => store.commit({ password: PASSWORD }, revision),
        delete: (store) => store.retire(FIRST.ref),
      };
      for (const verb of verbs) {
        const namespace = await namespaceOf(`without-${verb}`);
        const admin = await asAdmin({ namespace, name });
        await rotate(admin, FIRST, 1);
        const revision = await admin.clearCurrent((await admin.load()).revision);
        const rest = verbs.filter((other) => other !== verb);
        const role = {
          metadata: { name: "all-but" },
          rules: [{ apiGroups: [""], resources: ["secrets"], verbs: rest }],
        };
        await site().grant("nobody", role, namespace);
        const path = `/api/v1/namespaces/${namespace}/secrets`;
        await untilAllowed(() => site().server.ask("nobody", "GET", verb === "list" ? `${path}/x` : path));
        const kubeconfig = { path: await site().server.kubeconfig("nobody") };
        const store = await site().open({ namespace, name, kubeconfig });
        const error = await failureOf(needs[verb]!(store, revision));
        assert.ok(error instanceof ConfigurationError, `${verb}: ${error.stack}`);
        const wanted = `user "nobody" may not ${verb} secrets.*\\(verb "${verb}", resource "secrets", API group "", namespace "${namespace}"\\)`;
        assert.match(error.message, new RegExp(wanted));
        assert.match(error.message, new RegExp(`kubectl auth can-i ${verb} secrets.* -n ${namespace}`));
      }
    });

    it("says that a token is not accepted", async () => {
      const path = join(site().server.folder, "revoked.kubeconfig");
      await writeFile(path, kubeconfigFor(site().server.url, site().server.authority, "revoked-token"));
      const error = await failureOf((await site().open({ name: "x", kubeconfig: { path } })).load());
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /does not accept the credentials.*\(401\)/);
      assert.ok(!error.message.includes("revoked-token"));
    });

    it("says that the namespace is missing, or being deleted", async () => {
      const missing = await failureOf((await asAdmin({ namespace: "not-there", name: "x" })).commit({}, "0"));
      assert.ok(missing instanceof ConfigurationError);
      assert.match(missing.message, /"not-there" does not exist.*kubectl create namespace not-there/);
      const namespace = await namespaceOf("leaving");
      // Nobody finishes the deletion here: there is no namespace controller.
      await site().made(`/api/v1/namespaces/${namespace}`, undefined, "DELETE");
      const leaving = await failureOf((await asAdmin({ namespace, name: "x" })).putVersion(FIRST));
      assert.ok(leaving instanceof StateError);
      assert.match(leaving.message, /"leaving" is being deleted/);
    });

    it("names the quota that is used up", async () => {
      const namespace = await namespaceOf("full");
      const quotas = `/api/v1/namespaces/${namespace}/resourcequotas`;
      const status = { hard: { secrets: "0" }, used: { secrets: "0" } };
      const quota = { metadata: { name: "few-secrets" }, spec: { hard: status.hard } };
      const made = await site().made(quotas, quota);
      await site().made(`${quotas}/few-secrets/status`, { ...made, status }, "PUT");
      const error = await failureOf((await asAdmin({ namespace, name: "x" })).putVersion(FIRST));
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /ResourceQuota "few-secrets" of the namespace is used up/);
    });

    it("names the policy that refused it, and not what the policy says", async () => {
      const api = "/apis/admissionregistration.k8s.io/v1";
      const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["secrets"] };
      await namespaceOf("guarded");
      await site().made(`${api}/validatingadmissionpolicies`, {
        metadata: { name: "no-secrets" },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: { resourceRules: [rule] },
          // A policy that is careless with what it sees.
          validations: [
            { expression: "false", messageExpression: "'refused: ' + string(object.data['version.json'])" },
          ],
        },
      });
      await site().made(`${api}/validatingadmissionpolicybindings`, {
        metadata: { name: "no-secrets" },
        spec: {
          policyName: "no-secrets",
          validationActions: ["Deny"],
          matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "guarded" } } },
        },
      });
      const path = "/api/v1/namespaces/guarded/secrets";
      const probe = { metadata: { name: "probe" }, data: { "version.json": "AAAA" } };
      for (let code = 201; code === 201;) {
        code = (await site().server.ask("admin", "POST", path, probe)).code;
        if (code === 201) await site().server.ask("admin", "DELETE", `${path}/probe`);
      }
      const error = await failureOf((await asAdmin({ namespace: "guarded", name: "x" })).putVersion(FIRST));
      assert.ok(error instanceof ConfigurationError, error.stack);
      assert.match(error.message, /ValidatingAdmissionPolicy "no-secrets" refused it/);
    });

    it("names the webhook that refused it or cannot be asked, and not what it says", async () => {
      const api = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
      const { certificate, key } = selfSigned("127.0.0.1");
      let asked = "";
      const webhook = await listening(
        createServer({ cert: certificate, key }, (request, response) => {
          const chunks: Buffer[] = [];
          request.on("data", (chunk: Buffer) => chunks.push(chunk));
          request.on("end", () => {
            const review = JSON.parse(Buffer.concat(chunks).toString());
            asked = JSON.stringify(review);
            const { uid, object } = review.request;
            const said = Buffer.from(object.data["version.json"], "base64").toString();
            const status = { code: 418, message: `refused because of ${said}` };
            const answer = { apiVersion: review.apiVersion, kind: review.kind };
            response.setHeader("content-type", "application/json");
            response.end(JSON.stringify({ ...answer, response: { uid, allowed: false, status } }));
          });
        }),
      );
      const namespace = await namespaceOf("hooked");
      const configuration = (url: string) => ({
        metadata: { name: "hooked" },
        webhooks: [
          {
            name: "secrets.example.com",
            clientConfig: { url, caBundle: Buffer.from(certificate).toString("base64") },
            rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["secrets"] }],
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
            admissionReviewVersions: ["v1"],
            sideEffects: "None",
            failurePolicy: "Fail",
          },
        ],
      });
      try {
        await site().made(api, configuration(`https://127.0.0.1:${webhook.port}/`));
        const store = await asAdmin({ namespace, name: "x" });
        const refused = await failureOf(untilFails(store));
        assert.ok(asked.includes("version.json"), "the webhook was asked");
        assert.ok(refused instanceof ConfigurationError, refused.stack);
        assert.match(refused.message, /admission webhook "secrets\.example\.com" refused it/);
      } finally {
        await webhook.close();
      }
      const gone = await failureOf((await asAdmin({ namespace, name: "y" })).putVersion(FIRST));
      assert.ok(gone instanceof UnreachableError, gone.stack);
      assert.match(gone.message, /admission webhook "secrets\.example\.com" could not be asked \(500\)/);
      await site().made(`${api}/hooked`, undefined, "DELETE");
    });
  });

  it("makes nothing in a cluster where it was only looked at", async () => {
    const name = site().newName();
    const store = await site().open({ name, stableName: true });
    await store.load();
    await store.list();
    await assert.rejects(store.readPayload());
    assert.deepEqual(await site().namesOf(name), []);
    assert.equal((await site().server.ask("pipeline", "GET", SECRETS)).code, 200);
  });
}

/** A webhook takes effect a moment after it was configured. */
async function untilFails(store: SecretStore): Promise<void> {
  for (let version = 1; version < 1000; version++) await store.putVersion(makeVersion(version));
}
