import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import {
  CancelledError,
  ConfigurationError,
  ConflictError,
  StateError,
  UnreachableError,
} from "../../provider/lifecycle/errors";
import { versionIdOf } from "../../provider/net/aws/versionId";
import { freePort } from "../support/servers";
import { awsSite, makeStored, promoteNew } from "./servers/awsSite";
import { jsonAnswer, startFront, type Answer, type Call, type Front } from "./servers/front";

describe("the store in AWS Secrets Manager, when the network or AWS fails", function () {
  this.timeout(60_000);
  const site = awsSite();
  let front: Front;

  before(async () => {
    front = await startFront(site.moto.endpoint);
  });
  beforeEach(async () => {
    await site.fresh();
    front.meddle = ({ forward }) => forward();
    front.actions.length = 0;
  });
  after(() => front.stop());

  const open = (more = {}) => site.open({ endpoint: front.endpoint, ...more });

  /** Rejects with this error, which quotes no value, however deep one looks. */
  const fails = async (action: Promise<unknown>, kind: abstract new (...args: never[]) => Error, message: RegExp) =>
    assert.rejects(action, (error: Error) => {
      assert.ok(error instanceof kind, String(error.stack));
      assert.match(error.message, message);
      const deep = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
      assert.ok(!/secret-\d/.test(deep) && !deep.includes(site.pipelineKey.secretAccessKey), deep);
      return true;
    });

  /** The first call of this action meets `fate`, the others go through. */
  const once = (action: string, fate: (call: Call) => Promise<Answer | "drop" | "silence">) => {
    let met = false;
    front.meddle = (call) => {
      if (met || call.action !== action) return call.forward();
      met = true;
      return fate(call);
    };
  };
  const replyLost = async (call: Call) => {
    await call.forward();
    return "drop" as const;
  };

  describe("that does not answer", () => {
    const silent: Server = createServer();
    let endpoint = "";
    before(async () => {
      const port = await freePort();
      await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
      endpoint = `http://127.0.0.1:${port}`;
    });
    after(() => silent.close());

    it("is given up within the time limit, for every operation", async () => {
      const store = site.open({ endpoint, timeout: "300ms" });
      const { ref } = makeStored(1);
      const began = performance.now();
      const limit = /did not answer within 300 ms.*Whether it was done is not known/;
      await fails(store.load(), UnreachableError, limit);
      await fails(store.commit({}, "0"), UnreachableError, limit);
      await fails(store.putVersion(makeStored(1)), UnreachableError, limit);
      await fails(store.promote(ref, null, "0", 1), UnreachableError, limit);
      await fails(store.clearCurrent("0"), UnreachableError, limit);
      await fails(store.read(ref), UnreachableError, limit);
      await fails(store.readPayload(), UnreachableError, limit);
      await fails(store.list(), UnreachableError, limit);
      await fails(store.retire(ref), UnreachableError, limit);
      assert.ok(performance.now() - began < 6000);
    });

    it("is left at once when the run is cancelled", async () => {
      const run = new AbortController();
      const store = site.open({ endpoint, timeout: "1m" }, site.context({ signal: run.signal }));
      const loading = store.load();
      setTimeout(() => run.abort(new CancelledError("Ctrl-C")), 50);
      const began = performance.now();
      await fails(loading, CancelledError, /Ctrl-C/);
      assert.ok(performance.now() - began < 2000);
      await fails(store.putVersion(makeStored(1)), CancelledError, /Ctrl-C/);
    });
  });

  it("says that nobody listens, or that the host is unknown", async () => {
    const refused = site.open({ endpoint: `http://127.0.0.1:${await freePort()}`, maxAttempts: 2 });
    await fails(refused.putVersion(makeStored(1)), UnreachableError, /connection refused \(ECONNREFUSED\)/);
    const unknown = site.open({ endpoint: "https://secretsmanager.invalid", maxAttempts: 1 });
    await fails(unknown.load(), UnreachableError, /could not be (reached|looked up)|not known|EAI_AGAIN|ENOTFOUND/);
  });

  it("says what AWS's own errors mean", async () => {
    const cases: readonly [number, string, abstract new (...args: never[]) => Error, RegExp][] = [
      [400, "ThrottlingException", UnreachableError, /turned .* away again and again.*maxAttempts/],
      [400, "ExpiredTokenException", ConfigurationError, /have expired \(ExpiredTokenException\).*aws sso login/],
      [400, "DecryptionFailure", ConfigurationError, /KMS key .*kms:Decrypt and kms:GenerateDataKey/],
      [500, "InternalServiceError", UnreachableError, /answered with status 500 \(InternalServiceError\)/],
      [503, "ServiceUnavailable", UnreachableError, /status 503/],
      [400, "SomethingNew", StateError, /refused .* with status 400 \(SomethingNew\)/],
    ];
    for (const [status, code, kind, message] of cases) {
      // As if the service quoted what it was sent.
      front.meddle = async ({ body }) => jsonAnswer(status, { __type: code, message: `${body} secret-1` });
      await fails(open({ maxAttempts: 2 }).putVersion(makeStored(1)), kind, message);
    }
  });

  it("names the permission on the KMS key when that is what is missing", async () => {
    const message = "Access to KMS is not allowed";
    once("PutSecretValue", async () => jsonAnswer(400, { __type: "AccessDeniedException", message }));
    await fails(open().commit({}, "0"), ConfigurationError, /Allow kms:GenerateDataKey and kms:Decrypt on the KMS key/);
    assert.equal((await open().load()).revision, "0");
  });

  it("does not take an answer that is not AWS's for an answer of AWS", async () => {
    const page = (status: number) => async () => ({
      status,
      headers: { "content-type": "text/html" },
      body: Buffer.from("<html>secret-1</html>"),
    });
    front.meddle = page(403);
    await fails(open().load(), ConfigurationError, /status 403 and is not JSON.*proxies/);
    front.meddle = page(200);
    await fails(open().load(), UnreachableError, /not JSON, with status 200/);
  });

  it("tries again what was throttled or failed for a moment", async () => {
    const store = open();
    let left = 3;
    front.meddle = async ({ forward }) =>
      left-- > 0 ? jsonAnswer(left === 1 ? 500 : 400, { __type: "ThrottlingException", message: "" }) : forward();
    await store.commit({ n: 1 }, "0");
    assert.deepEqual((await store.load()).body, { n: 1 });
  });

  describe("after a call was done but its answer was lost", () => {
    it("has committed, once", async () => {
      const store = open();
      for (const [expected, body] of [
        ["first", { n: 1 }],
        ["later", { n: 2 }],
      ] as const) {
        const before = (await store.load()).revision;
        once("UpdateSecretVersionStage", replyLost);
        const revision = await store.commit(body, before);
        assert.deepEqual(await site.open().load(), { revision, body, current: null }, expected);
      }
    });

    it("has stored a version, once", async () => {
      for (const action of ["CreateSecret", "PutSecretValue"]) {
        await site.fresh();
        const store = open();
        once(action, replyLost);
        const version = makeStored(1);
        await store.putVersion(version);
        assert.deepEqual(await store.list(), [version.ref]);
        assert.deepEqual(await store.read(version.ref), version);
      }
    });

    it("has promoted, cleared and retired", async () => {
      const store = open();
      const one = await promoteNew(store, 1);
      const fence = (await store.load()).revision;
      const two = await store.putVersion(makeStored(2));
      once("UpdateSecretVersionStage", replyLost);
      await store.promote(two, one, fence, 2);
      assert.deepEqual((await site.open().load()).current, two);
      once("UpdateSecretVersionStage", replyLost);
      await store.retire(one);
      assert.deepEqual(await store.list(), [two]);
      once("UpdateSecretVersionStage", replyLost);
      await store.clearCurrent(fence);
      assert.equal((await store.load()).current, null);
    });
  });

  it("finds out that somebody else committed between its look and its own commit", async () => {
    const store = open();
    const first = await store.commit({ by: "me" }, "0");
    once("UpdateSecretVersionStage", async ({ forward }) => {
      await site.open().commit({ by: "another" }, first);
      return forward();
    });
    await fails(store.commit({ by: "me again" }, first), ConflictError, /somebody else changed it meanwhile/);
    assert.deepEqual((await store.load()).body, { by: "another" });
  });

  it("finds out that somebody else promoted between its look and its own promotion", async () => {
    const store = open();
    const one = await promoteNew(store, 1);
    const fence = (await store.load()).revision;
    const two = await store.putVersion(makeStored(2));
    const three = await store.putVersion(makeStored(3));
    once("UpdateSecretVersionStage", async ({ forward }) => {
      await site.open().promote(three, one, fence, 2);
      return forward();
    });
    await fails(store.promote(two, one, fence, 2), ConflictError, /version 3 \(.*\) is current, not version 1/);
    assert.deepEqual((await store.load()).current, three);
  });

  it("can be stopped before any of its calls, and done again to the end", async () => {
    // Each time the run dies one call later than the time before.
    for (let calls = 0; ; calls++) {
      await site.fresh();
      let left = calls;
      const run = { stopped: false };
      front.meddle = async ({ forward }) => {
        if (left-- > 0) return forward();
        run.stopped = true;
        return jsonAnswer(400, { __type: "KilledHere", message: "" });
      };
      const [one, two] = [makeStored(1), makeStored(2)];
      const rotate = async (store = open()) => {
        let { revision } = await store.load();
        if (revision === "0") revision = await store.commit({ n: 1 }, "0");
        await store.putVersion(one);
        await store.putVersion(two);
        await store.promote(one.ref, (await store.load()).current, revision, 1);
        await store.promote(two.ref, (await store.load()).current, revision, 2);
        await store.retire(one.ref);
      };
      await rotate().catch((error: unknown) => {
        if (!/KilledHere/.test(String(error))) throw error;
      });
      front.meddle = ({ forward }) => forward();
      // What the next run does: it is told nothing but what the store says. A version that is gone stays gone.
      const next = open();
      const gone = run.stopped && (await next.load()).current?.version === 2;
      if (gone) await next.retire(one.ref);
      else await rotate(next);
      assert.deepEqual(await next.list(), [two.ref], `stopped before call ${calls}`);
      assert.deepEqual(await next.readPayload(), two.value);
      const { VersionIdsToStages = {} } = await site.admin.describeSecret({ SecretId: site.name });
      assert.deepEqual(VersionIdsToStages[versionIdOf(one.ref)], undefined);
      if (!run.stopped) {
        assert.ok(calls > 20, `${calls} calls`);
        return;
      }
    }
  });

  describe("while AWS still shows what was there before a write", () => {
    it("waits until it sees its own commit", async () => {
      const store = open();
      const first = await store.commit({ n: 1 }, "0");
      let old: Answer | undefined;
      front.meddle = async ({ action, body, forward }) => {
        const answer = await forward();
        if (action === "DescribeSecret" && body.includes("-rotation")) old ??= answer;
        return answer;
      };
      const second = await store.commit({ n: 2 }, first);
      let shownOld = 0;
      front.meddle = async ({ action, body, forward }) =>
        action === "DescribeSecret" && body.includes("-rotation") && shownOld++ < 3 ? old! : forward();
      assert.deepEqual(await store.load(), { revision: second, body: { n: 2 }, current: null });
      assert.equal(shownOld, 4);
    });

    it("waits until the version that it stored can be given a label", async () => {
      const store = open();
      const message = "Not a valid version";
      let left = 2;
      front.meddle = async ({ action, forward }) =>
        action === "UpdateSecretVersionStage" && left-- > 0
          ? jsonAnswer(400, { __type: "InvalidParameterException", message })
          : forward();
      await promoteNew(store, 1);
      assert.equal((await store.load()).current?.version, 1);
    });

    it("does not wait for ever", async () => {
      const store = open();
      await store.commit({ n: 1 }, "0");
      const message = "Not a valid version";
      front.meddle = async ({ action, forward }) =>
        action === "UpdateSecretVersionStage"
          ? jsonAnswer(400, { __type: "InvalidParameterException", message })
          : forward();
      const { revision } = await store.load();
      await fails(store.commit({ n: 2 }, revision), StateError, /AWS refused secretsmanager:UpdateSecretVersionStage/);
      front.meddle = ({ forward }) => forward();
      assert.deepEqual((await store.load()).body, { n: 1 });
    });
  });

  it("asks three questions at once to load, and nothing else", async () => {
    const store = open();
    await promoteNew(store, 1);
    front.actions.length = 0;
    let waiting = 0;
    let most = 0;
    front.meddle = async ({ forward }) => {
      most = Math.max(most, ++waiting);
      const answer = await forward();
      waiting--;
      return answer;
    };
    await store.load();
    assert.deepEqual(front.actions.toSorted(), ["DescribeSecret", "DescribeSecret", "GetSecretValue"]);
    assert.equal(most, 3);
  });
});
