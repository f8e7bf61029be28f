/** The emulator of Cloud Run, asked by the real client as any program would ask it. */
import assert from "node:assert/strict";
import { RevisionsClient, ServicesClient } from "@google-cloud/run";
import { credentials, status } from "@grpc/grpc-js";
import { startCloudRun, type CloudRunEmulator, type Template } from "../../testing/cloudRun";
import { ask } from "./cloudRun/site";

const NAME = "projects/shop-prod/locations/europe-west3/services/echo";
const REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION" as const;

/** Says its revision and its release. */
const ECHO = `
require("node:http").createServer((_request, response) => {
  const { K_REVISION, RELEASE, DB } = process.env;
  response.end(JSON.stringify({ revision: K_REVISION, username: RELEASE, mail: DB }));
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

const template = (release: string, code = ECHO): Template => ({
  containers: [
    {
      image: "echo",
      command: [process.execPath],
      args: ["-e", code],
      env: [
        { name: "RELEASE", value: release },
        { name: "DB", valueSource: { secretKeyRef: { secret: "db", version: "1" } } },
      ],
    },
  ],
});

describe("the emulator of Cloud Run", function () {
  this.timeout(90_000);
  let emulator: CloudRunEmulator;
  let services: ServicesClient;
  let revisions: RevisionsClient;
  let denied = false;

  beforeEach(async () => {
    denied = false;
    emulator = await startCloudRun({
      secrets: (_secret, version) => (denied ? "denied" : Buffer.from(`value of ${version}`)),
      startupMs: 20_000,
    });
    const [host = "", port] = emulator.endpoint.split(":");
    const settings = {
      apiEndpoint: host,
      port: Number(port),
      sslCreds: credentials.createInsecure(),
      auth: { getUniverseDomain: async () => "googleapis.com" } as never,
    };
    services = new ServicesClient(settings);
    revisions = new RevisionsClient(settings);
    await emulator.deploy(NAME, { template: template("1") });
  });
  afterEach(async () => {
    await services.close();
    await revisions.close();
    await emulator.stop();
  });

  const get = async () => (await services.getService({ name: NAME }))[0];
  const update = async (service: object, paths: string[] = []) => {
    const [operation] = await services.updateService({ service: { name: NAME, ...service }, updateMask: { paths } });
    return (await operation.promise())[0];
  };
  const codeOf = async (call: Promise<unknown>): Promise<number> => {
    try {
      await call;
    } catch (error) {
      return (error as { code: number }).code;
    }
    throw new Error("the call went well");
  };
  const ready = (service: Awaited<ReturnType<typeof get>>) => [
    service.terminalCondition?.state,
    (service.latestReadyRevision ?? "").split("/").at(-1),
    (service.latestCreatedRevision ?? "").split("/").at(-1),
  ];

  it("serves what was deployed, with secrets in the environment of real processes", async () => {
    const { status: answered, body } = await ask(emulator.service(NAME).uri);
    const [name] = emulator.service(NAME).revisions.keys();
    assert.deepEqual([answered, body], [200, { revision: name, username: "1", mail: "value of 1" }]);
    assert.deepEqual(ready(await get()), ["CONDITION_SUCCEEDED", name, name]);
  });

  it("carries out an update as an operation, makes a revision for another template, and none for the same", async () => {
    const done = await update({ template: template("2") });
    assert.equal(done.template?.containers?.[0]?.env?.[0]?.value, "2");
    assert.equal((await ask(emulator.service(NAME).uri)).body.username, "2");
    await update({ template: template("2"), annotations: { "example.com/a": "b" } });
    const [all] = await revisions.listRevisions({ parent: NAME });
    assert.equal(all.length, 2);
    assert.equal(all[0]?.containers?.[0]?.env?.[0]?.value, "2", "newest first");
  });

  it("changes only what the mask names", async () => {
    await update({ annotations: { "example.com/a": "b" }, template: template("2") }, ["annotations"]);
    const service = await get();
    assert.equal(service.template?.containers?.[0]?.env?.[0]?.value, "1");
    assert.deepEqual(service.annotations, { "example.com/a": "b" });
  });

  it("answers an etag that is not the current one with ABORTED", async () => {
    const { etag } = await get();
    await update({ etag, annotations: { "example.com/a": "b" } }, ["annotations"]);
    assert.equal(await codeOf(update({ etag, annotations: {} }, ["annotations"])), status.ABORTED);
  });

  it("refuses what the API refuses", async () => {
    const [first = ""] = emulator.service(NAME).revisions.keys();
    const traffic = (percent: number, more: object = {}) => [{ type: REVISION, revision: first, percent, ...more }];
    for (const [what, service, paths] of [
      ["a sum that is not 100", { traffic: traffic(90) }, ["traffic"]],
      ["a tag that is none", { traffic: traffic(100, { tag: "No Tag" }) }, ["traffic"]],
      ["annotations of the system", { annotations: { "run.googleapis.com/ingress": "all" } }, ["annotations"]],
      ["a field that is only told", { uri: "http://x" }, ["uri"]],
    ] as const)
      assert.equal(await codeOf(update(service, [...paths])), status.INVALID_ARGUMENT, what);
    assert.equal(await codeOf(services.getService({ name: `${NAME}-2` })), status.NOT_FOUND);
    assert.equal(await codeOf(revisions.getRevision({ name: `${NAME}/revisions/x` })), status.NOT_FOUND);
    const named = { template: { ...template("2"), revision: first } };
    assert.equal(await codeOf(update(named, ["template"])), status.ALREADY_EXISTS);
  });

  it("keeps serving the latest ready revision when one fails, and says why", async () => {
    const [first] = emulator.service(NAME).revisions.keys();
    await update({ template: template("2", "process.exit(1)") });
    const service = await get();
    const [state, latest, created] = ready(service);
    assert.deepEqual([state, latest], ["CONDITION_FAILED", first]);
    const [revision] = await revisions.getRevision({ name: `${NAME}/revisions/${created ?? ""}` });
    const failed = revision.conditions?.find(({ type }) => type === "Ready");
    assert.deepEqual([failed?.state, failed?.revisionReason], ["CONDITION_FAILED", "HEALTH_CHECK_CONTAINER_ERROR"]);
    assert.equal((await ask(emulator.service(NAME).uri)).body.username, "1");
    denied = true;
    await update({ template: template("3") });
    const [, , third] = ready(await get());
    const [unread] = await revisions.getRevision({ name: `${NAME}/revisions/${third ?? ""}` });
    assert.equal(unread.conditions?.at(0)?.reason, "SECRETS_ACCESS_CHECK_FAILED");
  });

  it("sends requests by percent, and to a tag at an address of its own", async () => {
    await update({ template: template("2") });
    const [first = "", second = ""] = emulator.service(NAME).revisions.keys();
    await update(
      {
        traffic: [
          { type: REVISION, revision: first, percent: 75 },
          { type: REVISION, revision: second, percent: 25 },
          { type: REVISION, revision: second, percent: 0, tag: "next" },
        ],
      },
      ["traffic"],
    );
    const counts = new Map<string, number>();
    for (let asked = 0; asked < 40; asked++) {
      const { username = "" } = (await ask(emulator.service(NAME).uri)).body;
      counts.set(username, (counts.get(username) ?? 0) + 1);
    }
    assert.deepEqual([counts.get("1"), counts.get("2")], [30, 10]);
    const tagged = (await get()).trafficStatuses?.find(({ tag }) => tag === "next");
    assert.equal((await ask(tagged?.uri ?? "")).body.username, "2");
  });

  it("does not send requests where nothing is ready, and says so", async () => {
    await update({ template: template("2", "process.exit(1)") });
    const [, broken = ""] = emulator.service(NAME).revisions.keys();
    await update({ traffic: [{ type: REVISION, revision: broken, percent: 100 }] }, ["traffic"]);
    const routes = (await get()).conditions?.find(({ type }) => type === "RoutesReady");
    assert.equal(routes?.state, "CONDITION_FAILED");
    assert.match(routes.message ?? "", /is not ready and cannot serve traffic/);
    assert.equal((await ask(emulator.service(NAME).uri)).body.username, "1");
  });

  it("leaves operations undone until they are let go on", async () => {
    const release = emulator.hold();
    const changed: object = { name: NAME, template: template("2") };
    const [operation] = await services.updateService({ service: changed, updateMask: { paths: ["template"] } });
    const service = await get();
    assert.equal(service.reconciling, true);
    assert.equal((await services.checkUpdateServiceProgress(operation.name ?? "")).done, false);
    assert.equal((await ask(emulator.service(NAME).uri)).body.username, "1");
    release();
    await operation.promise();
    assert.equal((await ask(emulator.service(NAME).uri)).body.username, "2");
  });

  it("asks for the permission of each call, and for what a deployment needs beside", async () => {
    emulator.grant(["run.services.update", "run.operations.get"]);
    assert.equal(await codeOf(get()), status.PERMISSION_DENIED);
    assert.equal(await codeOf(update({ template: template("2") }, ["template"])), status.PERMISSION_DENIED);
    await update({ annotations: { "example.com/a": "b" } }, ["annotations"]);
  });
});
