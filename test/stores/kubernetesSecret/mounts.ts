/** Who has a version: every pod of the namespace that names its Secret, in whatever way. */
import assert from "node:assert/strict";
import type { UsageReport } from "../../../provider/contracts/kind";
import type { SecretStore } from "../../../provider/contracts/store";
import { makeVersion, NAMESPACE, rotate, untilAllowed, type Site } from "./site";

const [FIRST, SECOND] = [makeVersion(1), makeVersion(2)];
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

export function describeMounts(site: () => Site): void {
  describe("telling who has a version", () => {
    let store: SecretStore;
    let name: string;
    const pods: string[] = [];

    beforeEach(async () => {
      name = site().newName();
      store = await site().open({ name });
      await rotate(store, FIRST, 1);
      await rotate(store, SECOND, 2);
    });
    afterEach(async () => {
      for (const pod of pods.splice(0)) await site().made(`${PODS}/${pod}?gracePeriodSeconds=0`, {}, "DELETE");
    });

    const usage = async (ref = FIRST.ref): Promise<UsageReport> => {
      assert.ok(store.usage);
      return store.usage(ref);
    };
    /** A pod that no kubelet runs; `spec` says how it has which Secret. */
    const pod = async (ends: string, spec: object, metadata: object = {}) => {
      const full = `${name}-${ends}`;
      const container = { name: "app", image: "app" };
      await site().made(PODS, {
        metadata: { name: full, ...metadata },
        spec: { containers: [container], ...spec },
      });
      pods.push(full);
      return full;
    };
    const volume = (secretName: string) => ({ volumes: [{ name: "db", secret: { secretName } }] });

    it("names each pod that has it, with its owner, and the way in which it has it", async () => {
      assert.deepEqual(await usage(), { verdict: "not-seen", uses: [] });
      const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "reports-7d9", uid: "u", controller: true };
      const mounting = await pod("mounting", volume(`${name}-v1-e1`), { ownerReferences: [owner] });
      const { verdict, uses } = await usage();
      assert.equal(verdict, "used");
      assert.deepEqual(uses, [
        {
          by: `pod shop/${mounting} of ReplicaSet reports-7d9, which has the Secret ${name}-v1-e1 as volume "db"`,
          application: "reports-7d9",
        },
      ]);
      assert.equal((await usage(SECOND.ref)).verdict, "not-seen");
    });

    const secretKeyRef = (secret: string) => ({ valueFrom: { secretKeyRef: { name: secret, key: "password" } } });
    const ways: Record<string, (secret: string) => [spec: object, told: string]> = {
      "a projected volume": (secret) => [
        { volumes: [{ name: "all", projected: { sources: [{ secret: { name: secret } }] } }] },
        'volume "all"',
      ],
      "a variable": (secret) => [
        { containers: [{ name: "app", image: "app", env: [{ name: "PW", ...secretKeyRef(secret) }] }] },
        'variable PW of container "app"',
      ],
      "all variables": (secret) => [
        { containers: [{ name: "app", image: "app", envFrom: [{ secretRef: { name: secret } }] }] },
        'variables of container "app"',
      ],
      "a container that runs first": (secret) => [
        { initContainers: [{ name: "migrate", image: "app", env: [{ name: "PW", ...secretKeyRef(secret) }] }] },
        'variable PW of container "migrate"',
      ],
      "a secret of an image's registry": (secret) => [{ imagePullSecrets: [{ name: secret }] }, "image pull secret"],
    };
    for (const [way, make] of Object.entries(ways))
      it(`sees ${way}`, async () => {
        const [spec, told] = make(`${name}-v1-e1`);
        await pod("pod", spec);
        assert.match((await usage()).uses[0]?.by ?? "", new RegExp(`as ${told}$`));
      });

    it("sees those of every epoch, and neither other versions, secrets nor pods that have ended", async () => {
      await store.promote(FIRST.ref, SECOND.ref, (await store.load()).revision, 3);
      const later = await pod("later", volume(`${name}-v1-e3`));
      await pod("next", volume(`${name}-v2-e2`));
      await pod("eleven", volume(`${name}-v11-e1`));
      await pod("other", volume(`other-${name}-v1-e1`));
      const ended = await pod("ended", volume(`${name}-v1-e1`));
      await site().made(`${PODS}/${ended}/status`, { status: { phase: "Succeeded" } }, "PATCH");
      assert.deepEqual(
        (await usage()).uses.map((use) => use.application),
        [later],
      );
    });

    it("finds them among more than one page of pods", async () => {
      for (let n = 0; n < 210; n += 30)
        await Promise.all(Array.from({ length: 30 }, (_, i) => pod(`many-${n + i}`, {})));
      await pod("zz-last", volume(`${name}-v1-e1`));
      assert.equal((await usage()).uses.length, 1);
    });

    it("says that it cannot be told where pods may not be listed", async () => {
      const rules = [{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "create", "update", "delete"] }];
      await site().grant("nobody", { metadata: { name: `no-pods-${name}` }, rules });
      await untilAllowed(() => site().secret("GET", "", undefined, "nobody"));
      store = await site().open({ name, kubeconfig: { path: await site().server.kubeconfig("nobody") } });
      const { verdict, detail } = await usage();
      assert.equal(verdict, "unknown");
      assert.match(detail ?? "", /pods of the namespace "shop" may not be listed \(verb "list", resource "pods"\)/);
    });
  });
}
