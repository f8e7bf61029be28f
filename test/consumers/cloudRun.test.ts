import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigurationError, ConsumerError, StateError } from "../../provider/lifecycle/errors";
import { RECORD_KEY } from "../../provider/consumers/cloudRun/record";
import { PINNED_KEY } from "../../provider/consumers/cloudRun/references";
import type { EmulatedCall, TrafficTarget } from "../../testing/cloudRun";
import { errorOf, everythingOf } from "../support/errors";
import { ask, bare, contextOf, SECRET_MARK, SERVICE, Site, type SiteSetting, until } from "./cloudRun/site";

const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" as const;
/** What a change that makes a revision names. */
const MADE = [
  ...["revision", "annotations", "containers", "volumes"].map((field) => `template.${field}`),
  ...["traffic", "annotations"],
];
const REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION" as const;

describe("the consumer on Cloud Run", function () {
  this.timeout(90_000);
  const opened: Site[] = [];
  const open = async (setting?: SiteSetting): Promise<Site> => {
    const site = await Site.open(setting);
    opened.push(site);
    return site;
  };
  afterEach(async () => {
    for (const site of opened.splice(0)) await site.close();
  });

  const target = async (site: Site, version: number) => ({ secrets: [await site.version(version)] });
  const roll = async (site: Site, version: number, more: object = {}) =>
    site.consumer(more).roll(await target(site, version));
  const updates = (site: Site): EmulatedCall[] => site.run.calls.filter(({ method }) => method === "UpdateService");
  const pathsOf = ({ request }: EmulatedCall) => request.updateMask?.paths;
  const names = (site: Site) => [...site.view.revisions.keys()];
  const plain = (traffic: readonly TrafficTarget[]) =>
    traffic.map(({ type, revision = "", percent = 0, tag = "" }) => ({ type, revision, percent, tag }));
  const toLatest = [{ type: LATEST, revision: "", percent: 100, tag: "" }];

  describe("a version that does not come up", () => {
    it("gets no request, is told in the platform's words, and leaves the service as it was when it is rolled back", async () => {
      const site = await open();
      const before = site.view.template;
      const [first = ""] = names(site);
      site.issuer.broken.add("db_v2");
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof ConsumerError, String(error));
      const [, broken = ""] = names(site);
      for (const part of [
        broken,
        "HEALTH_CHECK_CONTAINER_ERROR",
        "failed to start and listen",
        `served by ${first}`,
        "logs/viewer",
      ])
        assert.ok(error.message.includes(part), `${part}: ${error.message}`);
      await roll(site, 1);
      assert.equal(site.failedRequests, 0);
      assert.deepEqual([...site.answered.keys()], ["db_v1"]);
      const { template, traffic } = site.view;
      assert.deepEqual(bare(template.containers), bare(before.containers));
      assert.deepEqual(plain(traffic), toLatest);
      assert.deepEqual(site.serving(), [1]);
    });

    it("is noticed at once, not when the time is over", async () => {
      const site = await open();
      site.issuer.broken.add("db_v2");
      const startedAt = performance.now();
      await assert.rejects(roll(site, 2, { timeout: "1h" }), ConsumerError);
      assert.ok(performance.now() - startedAt < 40_000);
    });

    it("is told what may be missing when the service's account may not read it", async () => {
      const site = await open();
      await site.version(2);
      await site.promoteAgain(1);
      await site.storeOf("orders-db").disable?.((await site.version(2)).ref);
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof ConsumerError, String(error));
      assert.match(error.message, /SECRETS_ACCESS_CHECK_FAILED/);
      assert.match(error.message, /roles\/secretmanager\.secretAccessor/);
      assert.deepEqual(site.serving(), [1]);
    });

    it("is tried anew with a new revision when it is rolled again", async () => {
      const site = await open();
      site.issuer.broken.add("db_v2");
      await assert.rejects(roll(site, 2), ConsumerError);
      await assert.rejects(roll(site, 2), ConsumerError);
      assert.equal(names(site).length, 3);
      site.issuer.broken.clear();
      await roll(site, 2);
      assert.deepEqual(site.serving(), [2]);
      assert.match(site.view.template.annotations?.[PINNED_KEY] ?? "", /orders-db v2 \(attempt 3\)/);
    });

    it("that the platform never decides on is given up when the time is over, with what it was waited for", async () => {
      const site = await open();
      await site.version(2);
      const release = site.run.hold("revisions");
      const context = contextOf();
      const error = await errorOf(site.consumer({ timeout: "4s" }, context).roll(await target(site, 2)));
      assert.ok(error instanceof ConsumerError, String(error));
      assert.match(
        error.message,
        /does not within 4 seconds: Cloud Run carries out the last change; orders-00002-\w+: Ready PENDING/,
      );
      assert.deepEqual(site.serving(), [1]);
      release();
      await roll(site, 1);
      assert.deepEqual(site.serving(), [1]);
    });
  });

  describe("the way back", () => {
    it("sends all traffic to the revision that served before, before anything else", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await roll(site, 2);
      await site.promoteAgain(1);
      const before = updates(site).length;
      await roll(site, 1);
      const [back, restore, settle, ...more] = updates(site).slice(before);
      assert.ok(back && restore && settle);
      assert.deepEqual(pathsOf(back), ["traffic", "annotations"]);
      assert.deepEqual(plain(back.request.service?.traffic ?? []), [
        { type: REVISION, revision: first, percent: 100, tag: "" },
      ]);
      assert.deepEqual(pathsOf(restore), MADE);
      assert.deepEqual(pathsOf(settle), ["traffic", "annotations"]);
      assert.deepEqual(more, []);
      assert.deepEqual(site.nativesOf(await site.version(1)), [1, 3]);
      assert.equal(site.view.template.containers?.[0]?.env?.[1]?.valueSource?.secretKeyRef?.version, "1", "as it was");
      assert.equal(site.failedRequests, 0);
    });

    it("does not wait for the revision that it leaves", async () => {
      const site = await open();
      await site.version(2);
      const release = site.run.hold("revisions");
      await assert.rejects(roll(site, 2, { timeout: "4s" }), ConsumerError);
      const back = roll(site, 1);
      // The template is put back while the other one is still on its way.
      await until(() => names(site).length === 3);
      release();
      await back;
      assert.deepEqual(site.serving(), [1]);
      assert.equal(site.failedRequests, 0);
    });

    it("makes a revision where the former one was deleted", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await roll(site, 2);
      await site.run.deleteRevision(SERVICE, first);
      await roll(site, 1);
      assert.deepEqual(site.serving(), [1]);
      assert.equal(site.failedRequests, 0);
    });

    it("does not bring back what somebody has deployed something else in place of", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await roll(site, 2);
      await site.run.deploy(SERVICE, { template: site.template({ version: "2", env: { RELEASE: "8" } }) });
      await roll(site, 1);
      const sent = updates(site)
        .flatMap(({ request }) => request.service?.traffic ?? [])
        .filter(({ revision }) => revision === first);
      assert.equal(sent.length, 2, "only when the first roll kept the traffic there");
      const release = site.view.template.containers?.[0]?.env?.find(({ name }) => name === "RELEASE");
      assert.equal(release?.value, "8");
      assert.deepEqual(site.serving(), [1]);
    });
  });

  describe("the traffic", () => {
    it("that goes to the latest revision does so again, so that the next deployment is served as before", async () => {
      const site = await open();
      await roll(site, 2);
      assert.deepEqual(plain(site.view.traffic), toLatest);
      await site.run.deploy(SERVICE, { template: site.template({ version: "2", env: { RELEASE: "8" } }) });
      assert.equal((await ask(site.view.uri)).body.revision, names(site).at(-1));
    });

    it("that goes to a named revision goes to a named one, and back to that on the way back", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await site.run.deploy(SERVICE, { traffic: [{ type: REVISION, revision: first, percent: 100 }] });
      await roll(site, 2);
      assert.deepEqual(plain(site.view.traffic), [{ type: REVISION, revision: names(site)[1], percent: 100, tag: "" }]);
      await roll(site, 1);
      assert.deepEqual(plain(site.view.traffic), [{ type: REVISION, revision: first, percent: 100, tag: "" }]);
      await roll(site, 3);
      assert.deepEqual(plain(site.view.traffic), [
        { type: REVISION, revision: names(site).at(-1), percent: 100, tag: "" },
      ]);
      assert.deepEqual(site.serving(), [3]);
    });

    it("stays where it is, by name, until the new revision is ready", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await roll(site, 2);
      const [kept, made] = updates(site);
      assert.deepEqual(
        [kept, made].map((call) => call && pathsOf(call)),
        [["traffic", "annotations"], MADE],
      );
      assert.deepEqual(plain(made?.request.service?.traffic ?? []), [
        { type: REVISION, revision: first, percent: 100, tag: "" },
      ]);
    });

    it("keeps the user's tags", async () => {
      const site = await open();
      const [first = ""] = names(site);
      const tagged = { type: REVISION, revision: first, percent: 0, tag: "preview" };
      await site.run.deploy(SERVICE, { traffic: [{ type: LATEST, percent: 100 }, tagged] });
      await roll(site, 2, { probe: { path: "/" } });
      assert.deepEqual(plain(site.view.traffic), [...toLatest, tagged]);
    });

    it("moves in steps, each kept up as long as told", async () => {
      const site = await open();
      const shares: string[] = [];
      const timer = setInterval(() => shares.push([...site.view.shares.values()].join("/")), 5);
      const context = contextOf();
      await site
        .consumer({ traffic: { percents: [10, 50], hold: "250ms" } }, context)
        .roll(await target(site, 2))
        .finally(() => clearInterval(timer));
      assert.deepEqual([...new Set(shares)], ["100", "10/90", "50/50"]);
      assert.equal(shares.at(0), "100");
      assert.deepEqual(site.serving(), [2]);
      assert.ok(
        context.lines.some((line) => line.includes("has 10% of the traffic, for 250 ms")),
        context.lines.join("\n"),
      );
      assert.equal(site.failedRequests, 0);
    });

    it("goes back from the middle of the steps", async () => {
      const site = await open();
      const [first = ""] = names(site);
      const cancel = new AbortController();
      const rolling = site
        .consumer({ traffic: { percents: [20], hold: "30s" } }, contextOf(cancel.signal))
        .roll(await target(site, 2));
      await until(() => site.view.shares.size === 2);
      cancel.abort(new Error("the run was cancelled"));
      await assert.rejects(rolling, /the run was cancelled/);
      const before = updates(site).length;
      await roll(site, 1, { traffic: { percents: [20], hold: "30s" } });
      assert.deepEqual(plain(updates(site)[before]?.request.service?.traffic ?? []), [
        { type: REVISION, revision: first, percent: 100, tag: "" },
      ]);
      assert.deepEqual(site.serving(), [1]);
      assert.deepEqual(plain(site.view.traffic), toLatest);
      assert.equal(site.failedRequests, 0);
    });

    it("goes on from the step that a killed run had reached", async () => {
      const site = await open();
      const cancel = new AbortController();
      const options = { traffic: { percents: [20, 60], hold: "200ms" } };
      const rolling = site
        .consumer({ traffic: { percents: [20, 60], hold: "30s" } }, contextOf(cancel.signal))
        .roll(await target(site, 2));
      await until(() => site.view.shares.size === 2);
      cancel.abort(new Error("the run was cancelled"));
      await assert.rejects(rolling);
      const before = updates(site).length;
      await roll(site, 2, options);
      const percents = updates(site)
        .slice(before)
        .map(({ request }) => request.service?.traffic?.[0]?.percent);
      assert.deepEqual(percents, [60, 100]);
      assert.equal(names(site).length, 2);
    });

    it("that somebody has split is left alone", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await site.run.deploy(SERVICE, { template: site.template({ env: { RELEASE: "8" } }) });
      const [, second = ""] = names(site);
      const split = [
        { type: REVISION, revision: first, percent: 70 },
        { type: REVISION, revision: second, percent: 30 },
      ];
      await site.run.deploy(SERVICE, { traffic: split });
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof StateError, String(error));
      assert.match(
        error.message,
        /its traffic is split \(orders-00001-\w+ 70%, orders-00002-\w+ 30%\).*Nothing was changed/,
      );
      assert.equal(site.run.changes, 0);
      await roll(site, 1);
      assert.equal(site.run.changes, 0, "both use it already");
    });

    it("that is kept from the last deployment is not given to it", async () => {
      const site = await open();
      const [first = ""] = names(site);
      await site.run.deploy(SERVICE, {
        traffic: [{ type: REVISION, revision: first, percent: 100 }],
        template: site.template({ env: { RELEASE: "8" } }),
      });
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof StateError, String(error));
      assert.match(error.message, /traffic is kept at orders-00001-\w+, while its template is that of orders-00002/);
      await roll(site, 1);
      assert.equal(site.run.changes, 0);
    });

    it("of a service whose last deployment has failed is left alone", async () => {
      const site = await open();
      const broken = site.template({ env: { RELEASE: "8" } });
      const [container] = broken.containers ?? [];
      await site.run.deploy(SERVICE, {
        template: { ...broken, containers: [{ ...container, args: ["-e", "process.exit(3)"] }] },
      });
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof StateError, String(error));
      assert.match(error.message, /orders-00002-\w+, which somebody else deployed last, has failed/);
      assert.equal(site.run.changes, 0);
    });
  });

  describe("the probe", () => {
    const atRequests = { env: { NO_LOGIN_AT_START: "1" } };

    it("asks the new revision before it gets requests: one that starts and does not work gets none", async () => {
      const site = await open(atRequests);
      site.issuer.broken.add("db_v2");
      const probe = { path: "/healthz", within: "300ms" };
      const error = await errorOf(roll(site, 2, { probe }));
      assert.ok(error instanceof ConsumerError, String(error));
      assert.match(error.message, /gets no requests, since its probe failed: .*answered 500/);
      await roll(site, 1, { probe });
      assert.deepEqual([...site.answered.keys()], ["db_v1"]);
      assert.deepEqual(plain(site.view.traffic), toLatest);
      assert.equal(site.failedRequests, 0);
    });

    it("is asked at an address of its own, which is gone afterwards", async () => {
      const site = await open();
      await roll(site, 2, { probe: { path: "/healthz" } });
      const tags = updates(site).map(({ request }) =>
        (request.service?.traffic ?? []).map(({ tag = "" }) => tag).join(),
      );
      assert.deepEqual(tags, ["", "", ",rotation-probe", ""]);
      assert.deepEqual(plain(site.view.traffic), toLatest);
    });

    it("is asked during the steps as well, and stops them", async () => {
      const site = await open(atRequests);
      const options = { probe: { path: "/" }, traffic: { percents: [1], hold: "20s" } };
      const rolling = errorOf(roll(site, 2, options));
      await until(() => site.view.shares.size === 2);
      site.issuer.broken.add("db_v2");
      const error = await rolling;
      assert.ok(error instanceof ConsumerError, String(error));
      assert.match(error.message, /the probe of orders-00002-\w+ failed at 1% of the traffic/);
      await roll(site, 1, options);
      assert.deepEqual(site.serving(), [1]);
    });
  });

  describe("what a template names", () => {
    it("by latest or an alias is pinned to a number at the first roll", async () => {
      for (const version of ["latest", "current"]) {
        const site = await open({ version, asks: false });
        const consumer = site.consumer();
        const before = await consumer.confirm(await target(site, 1));
        assert.equal(before.adopted, false);
        assert.match(before.detail, new RegExp(`names version ${version} of orders-db, where 1 holds v1`));
        await roll(site, 1);
        assert.deepEqual(site.serving(), [1]);
        assert.equal((await consumer.confirm(await target(site, 1))).adopted, true);
      }
    });

    it("in a volume is moved as in the environment", async () => {
      const site = await open({ asFile: true });
      await roll(site, 2);
      assert.deepEqual(
        site.view.template.volumes?.[0]?.secret?.items?.map(({ version }) => version),
        ["2"],
      );
      assert.equal((await ask(site.view.uri)).body.username, "db_v2");
      assert.equal(site.failedRequests, 0);
    });

    it("of several secrets changes with one revision", async () => {
      const site = await open({ mail: true });
      const [db, mail] = [await site.version(2), await site.version(2, "orders-mail")];
      const consumer = site.consumer();
      await consumer.roll({ secrets: [db, mail] });
      assert.equal(names(site).length, 2);
      const { body } = await ask(site.view.uri);
      assert.deepEqual([body.username, body.mail], ["db_v2", "mail_v2"]);
      assert.match(site.view.template.annotations?.[PINNED_KEY] ?? "", /^orders-db v2, orders-mail v2$/);
      const half = await consumer.confirm({ secrets: [db, await site.version(1, "orders-mail")] });
      assert.equal(half.adopted, false);
      assert.equal((await consumer.confirm({ secrets: [db, mail] })).adopted, true);
    });

    it("is found by whatever name it has there, and left alone where it is not used", async () => {
      const site = await open({ mail: true });
      const version = await site.version(2);
      const renamed = { ...version, secret: "database" };
      const mail = await site.version(2, "orders-mail");
      await site
        .consumer({ secrets: { database: { secret: "orders-db" }, "orders-mail": false } })
        .roll({ secrets: [renamed, mail] });
      const { body } = await ask(site.view.uri);
      assert.deepEqual([body.username, body.mail], ["db_v2", "mail_v1"]);
    });

    it("with the project, by its id or number, is the same secret", async () => {
      const site = await open({ asks: false });
      for (const name of ["projects/shop-prod/secrets/orders-db", site.numberedName]) {
        const template = site.template();
        const [container] = template.containers ?? [];
        const env = [
          ...(container?.env ?? []).slice(0, 1),
          { name: "DB_SECRET", valueSource: { secretKeyRef: { secret: name, version: "latest" } } },
        ];
        await site.run.deploy(SERVICE, { template: { ...template, containers: [{ ...container, env }] } });
        await roll(site, 1);
        assert.deepEqual(site.view.template.containers?.[0]?.env?.[1]?.valueSource?.secretKeyRef, {
          secret: name,
          version: "1",
        });
      }
    });

    it("nowhere is an error before anything is changed, as are names that the rollout does not have", async () => {
      const site = await open({ mail: true, asks: false });
      await site.run.deploy(SERVICE, { template: site.template() });
      const [version, mail] = [await site.version(1), await site.version(1, "orders-mail")];
      const error = await errorOf(site.consumer().roll({ secrets: [version, mail] }));
      assert.ok(error instanceof ConfigurationError, String(error));
      assert.match(error.message, /names the secret orders-mail in no environment variable and no volume/);
      const elsewhere = { "orders-db": { secret: "orders-db-2" } };
      const absent = await errorOf(site.consumer({ secrets: elsewhere }).roll({ secrets: [version] }));
      assert.match(absent.message, /there is no secret orders-db-2-rotation, in which the store records its versions/);
      const unknown = await errorOf(
        site.consumer({ secrets: { orders: { secret: "orders-db" } } }).roll({ secrets: [version] }),
      );
      assert.match(unknown.message, /secrets names "orders", which the rollout does not have; it has "orders-db"/);
      const none = await errorOf(site.consumer({ secrets: { "orders-db": false } }).roll({ secrets: [version] }));
      assert.match(none.message, /all secrets of the rollout are said to be unused/);
      assert.equal(site.run.changes, 0);
    });

    it("and the name of a revision do not get in each other's way", async () => {
      const site = await open({ template: { revision: "orders-blue" } });
      await roll(site, 2);
      assert.deepEqual(site.serving(), [2]);
      assert.equal(site.view.template.revision, "");
    });

    it("is all that is changed", async () => {
      const site = await open({
        template: {
          labels: { team: "shop" },
          annotations: { "example.com/owner": "shop" },
          serviceAccount: "orders@shop-prod.iam.gserviceaccount.com",
        },
        service: { labels: { cost: "shop" }, annotations: { "example.com/page": "orders" } },
      });
      const before = site.view.template;
      await roll(site, 2);
      await roll(site, 1);
      const { annotations = {}, ...after } = site.view.template;
      assert.deepEqual(Object.keys(annotations), ["example.com/owner", PINNED_KEY]);
      assert.deepEqual(bare({ ...after, annotations: before.annotations }), bare(before));
      const last = updates(site).at(-1)?.request.service?.annotations ?? {};
      assert.deepEqual(Object.keys(last).sort(), ["example.com/page", RECORD_KEY]);
    });

    it("is looked up by the store's own record, which may take a moment to be seen", async () => {
      const site = await open();
      await site.version(2);
      site.secretManager.lag(2);
      await roll(site, 2);
      assert.deepEqual(site.serving(), [2]);
    });

    it("has to be a version that the store has promoted", async () => {
      const site = await open({ asks: false });
      const stored = { ...(await site.version(1)), ref: { version: 7, token: "unknown" } };
      const clock = { now: () => Date.now(), sleep: async () => undefined };
      const error = await errorOf(site.consumer({}, { ...contextOf(), clock }).roll({ secrets: [stored] }));
      assert.ok(error instanceof StateError, String(error));
      assert.match(
        error.message,
        /orders-db-rotation of the project shop-prod records no version of orders-db that holds v7/,
      );
    });
  });

  describe("others", () => {
    it("who change the service at the same moment are not overwritten", async () => {
      const site = await open();
      await site.version(2);
      let changed = 0;
      site.run.intercept(({ method }) => {
        // Deployed between the look and the change, twice.
        if (method === "UpdateService" && changed < 2) {
          changed += 1;
          void site.run.deploy(SERVICE, { labels: { release: String(changed) } });
        }
        return "pass";
      });
      await roll(site, 2);
      assert.equal(changed, 2);
      assert.deepEqual(site.serving(), [2]);
      assert.equal(names(site).length, 2);
      assert.equal(site.failedRequests, 0);
    });

    it("who deploy something else while the traffic is ours are served as they had told it", async () => {
      const site = await open();
      const cancel = new AbortController();
      const rolling = site
        .consumer({ traffic: { percents: [20], hold: "30s" } }, contextOf(cancel.signal))
        .roll(await target(site, 2));
      await until(() => site.view.shares.size === 2);
      cancel.abort(new Error("the run was cancelled"));
      await assert.rejects(rolling);
      await site.run.deploy(SERVICE, { template: site.template({ version: "latest", env: { RELEASE: "8" } }) });
      await roll(site, 2);
      assert.deepEqual(plain(site.view.traffic), toLatest);
      assert.equal(site.view.template.containers?.[0]?.env?.find(({ name }) => name === "RELEASE")?.value, "8");
      assert.deepEqual(site.serving(), [2]);
      assert.equal(site.failedRequests, 0);
    });
  });

  describe("a function of the Cloud Functions API", () => {
    const labels = { "goog-managed-by": "cloudfunctions" };

    it("is refused, with the ways that there are", async () => {
      const site = await open({ service: { labels }, asks: false });
      const error = await errorOf(roll(site, 2));
      assert.ok(error instanceof ConfigurationError, String(error));
      for (const part of ["puts them back at its next deployment", "gcloud functions detach orders", "function: true"])
        assert.ok(error.message.includes(part), error.message);
      assert.equal(site.run.changes, 0);
    });

    it("is moved as any service where that is asked for", async () => {
      const site = await open({ service: { labels } });
      await roll(site, 2, { function: true });
      assert.deepEqual(site.serving(), [2]);
    });
  });

  describe("evidence", () => {
    it("is who gets the requests, and which versions those name", async () => {
      const site = await open();
      await roll(site, 2);
      const consumer = site.consumer();
      const [yes, no] = [await consumer.confirm(await target(site, 2)), await consumer.confirm(await target(site, 1))];
      assert.equal(yes.adopted, true);
      assert.match(
        yes.detail,
        /^orders-00002-\w+ gets 100% of the requests and names version 2 of orders-db, which holds v2$/,
      );
      assert.equal(no.adopted, false);
      assert.match(no.detail, /names version 2 of orders-db, where 1 holds v1$/);
      assert.deepEqual(
        [consumer.hasEvidence, consumer.pinned, consumer.wave, consumer.readersCacheMs],
        [true, true, 0, 0],
      );
    });

    it("is not there while two versions are served", async () => {
      const site = await open();
      await roll(site, 2);
      const [first = "", second = ""] = names(site);
      const split = [first, second].map((revision) => ({ type: REVISION, revision, percent: 50 }));
      await site.run.deploy(SERVICE, { traffic: split });
      for (const version of [1, 2])
        assert.equal((await site.consumer().confirm(await target(site, version))).adopted, false);
    });

    it("waits while Cloud Run carries out a change", async () => {
      const site = await open();
      await roll(site, 2);
      const release = site.run.hold("revisions");
      const deploying = site.run.deploy(SERVICE, { template: site.template({ version: "1" }) });
      await until(() => site.view.isReconciling);
      const confirming = site.consumer().confirm(await target(site, 1));
      await delay(100);
      release();
      await deploying;
      assert.equal((await confirming).adopted, true);
    });

    it("is asked of the service itself as well where it says which version it uses", async () => {
      const site = await open();
      await roll(site, 2);
      let fingerprint = "fp-orders-db-1";
      const server = createServer((_request, response) => response.end(JSON.stringify({ fingerprint })));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/version`;
        const consumer = site.consumer({ adoption: { url }, adoptionTimeout: "200ms" });
        assert.equal((await consumer.confirm(await target(site, 2))).adopted, false);
        fingerprint = "fp-orders-db-2";
        assert.equal((await consumer.confirm(await target(site, 2))).adopted, true);
      } finally {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    });
  });

  it("says every ten seconds what it waits for, and ends at once when the run is cancelled", async () => {
    const site = await open();
    await site.version(2);
    const release = site.run.hold("revisions");
    const cancel = new AbortController();
    const context = contextOf(cancel.signal);
    let ahead = 0;
    const clock = {
      now: () => Date.now() + ahead,
      sleep: (ms: number, signal?: AbortSignal) => ((ahead += 200), context.clock.sleep(Math.min(ms, 5), signal)),
    };
    const rolling = site.consumer({ timeout: "1h" }, { ...context, clock }).roll(await target(site, 2));
    const told = () => context.lines.filter((line) => line.startsWith("Waiting for"));
    await until(() => told().length >= 2);
    assert.match(
      told()[0] ?? "",
      /^Waiting for consumer "orders" to serve with v2 of "orders-db" for 1\d seconds, .* left: Cloud Run carries out/,
    );
    const cancelledAt = performance.now();
    cancel.abort(new Error("the run was cancelled"));
    await assert.rejects(rolling, /the run was cancelled/);
    assert.ok(performance.now() - cancelledAt < 1000);
    release();
  });

  it("shows no value, whatever fails", async () => {
    const site = await open({ asks: false });
    site.issuer.broken.add("db_v2");
    const context = contextOf();
    const error = await errorOf(site.consumer({}, context).roll(await target(site, 2)));
    assert.ok(!`${everythingOf(error)}${context.lines.join()}`.includes(SECRET_MARK));
    assert.ok(!JSON.stringify(site.run.calls.map(({ request }) => request)).includes(SECRET_MARK), "nor sends one");
  });
});
