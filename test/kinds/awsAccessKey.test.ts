import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Issued } from "../../provider/contracts/kind";
import {
  ConfigurationError,
  ConflictError,
  NotFoundError,
  StateError,
  UnreachableError,
} from "../../provider/lifecycle/errors";
import type { Answer, Call } from "../stores/servers/front";
import { errorOf } from "../support/errors";
import { ACCOUNT, useAccessKeys } from "./awsAccessKeySite";
import { draftFor, kindContext, requestFor } from "./issuerSupport";

const KEEP = { terminateSessions: false };
const END = { terminateSessions: true };
const HOUR = 3_600_000;

function refusedAs(code: string, status = 400): Answer {
  const body =
    '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>' +
    `<Code>${code}</Code><Message>the secret is wJalrXUtnFEMI-quoted</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
  return { status, headers: { "content-type": "text/xml" }, body: Buffer.from(body) };
}

describe("AWS access key", () => {
  const site = useAccessKeys();
  const keyIds = async () =>
    ((await site.iam.listAccessKeys({ UserName: site.user })).AccessKeyMetadata ?? []).map((key) => key.AccessKeyId);
  const throughFront = () => ({ endpoint: site.front.endpoint });
  /** Does something to each call of an action, and lets all others pass. */
  const meddle = (action: string, how: (call: Call, nth: number) => Promise<Answer | "drop" | "silence">) => {
    let calls = 0;
    site.front.meddle = (call) => (call.action === action ? how(call, ++calls) : call.forward());
  };

  describe("a key that nobody knows", () => {
    it("stops the first rotation, is named with when it was made and used, and is left as it was", async () => {
      const foreign = await site.foreignKey();
      await site.sts(foreign).getCallerIdentity({});
      const kind = site.open();
      const error = await errorOf(draftFor(kind, randomUUID()).then((request) => kind.issue(request)));
      assert.ok(error instanceof StateError, String(error));
      assert.match(
        error.message,
        new RegExp(`${foreign.accessKeyId} \\(active, created 20\\S+Z, last used 20\\S+Z with sts in`),
      );
      assert.match(error.message, /None was touched\. Adopt the key/);
      assert.ok(!error.message.includes(foreign.secretAccessKey));
      await site.sts(foreign).getCallerIdentity({});
      assert.deepEqual(await keyIds(), [foreign.accessKeyId]);
      assert.deepEqual(await site.tags(), {});
    });

    it("stops a rotation beside the live one, and is not taken for the one to be retired", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const live = await kind.issue(await draftFor(kind, identity));
      const foreign = await site.foreignKey();
      const next = await draftFor(kind, identity, { live: [live.ref] });
      await assert.rejects(kind.issue(next), (error: Error) => {
        assert.ok(error.message.includes(`${foreign.accessKeyId} (active, created`), error.message);
        assert.match(error.message, /never used/);
        return error instanceof StateError;
      });
      assert.deepEqual((await keyIds()).toSorted(), [live.value["accessKeyId"], foreign.accessKeyId].toSorted());
    });

    it("is told from one of another secret on the same user", async () => {
      const kind = site.open();
      const other = randomUUID();
      await kind.issue(await draftFor(kind, other));
      const request = await draftFor(kind, randomUUID());
      await assert.rejects(kind.issue(request), new RegExp(`of another secret, with the identity ${other}`));
    });

    it("that comes while a key is made is not taken for that key", async () => {
      const identity = randomUUID();
      const kind = site.open(throughFront());
      meddle("TagUser", async (call, nth) => {
        if (nth === 1) await site.foreignKey();
        return call.forward();
      });
      await assert.rejects(kind.issue(await draftFor(kind, identity)), ConflictError);
      assert.deepEqual(await site.open().inspect(identity), []);
      await assert.rejects(kind.issue(await draftFor(kind, identity)), /that this secret does not know/);
      assert.equal((await keyIds()).length, 1);
    });
  });

  describe("the limit of two keys", () => {
    it("stops a third version, with what the two are", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const one = await kind.issue(await draftFor(kind, identity));
      const two = await kind.issue(await draftFor(kind, identity, { live: [one.ref] }));
      const three = await draftFor(kind, identity, { live: [two.ref] });
      await assert.rejects(kind.issue(three), (error: Error) => {
        for (const { value } of [one, two]) assert.ok(error.message.includes(value["accessKeyId"]!), error.message);
        return error instanceof StateError;
      });
      assert.equal((await keyIds()).length, 2);
    });

    it("counts inactive keys too", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const one = await kind.issue(await draftFor(kind, identity));
      const two = await kind.issue(await draftFor(kind, identity, { live: [one.ref] }));
      await kind.disable(one.ref);
      await assert.rejects(
        kind.issue(await draftFor(kind, identity, { live: [one.ref, two.ref] })),
        /inactive, created/,
      );
    });

    it("that AWS reports at the last moment is an error that says so, and leaves nothing of ours", async () => {
      const kind = site.open(throughFront());
      meddle("CreateAccessKey", async () => refusedAs("LimitExceeded", 409));
      const error = await errorOf(kind.issue(await draftFor(kind, randomUUID())));
      assert.ok(error instanceof StateError);
      assert.match(error.message, /as many keys \(2\)/);
      assert.deepEqual(await keyIds(), []);
    });
  });

  describe("a key whose secret was lost", () => {
    const lose = async (identity: string) => {
      const kind = site.open({ ...throughFront(), maxAttempts: 5 });
      meddle("CreateAccessKey", async (call) => {
        await call.forward();
        return "drop";
      });
      const request = await draftFor(kind, identity);
      await assert.rejects(kind.issue(request), UnreachableError);
      site.front.meddle = ({ forward }) => forward();
      return request;
    };

    it("is made once only: a lost answer is not asked for again", async () => {
      await lose(randomUUID());
      assert.equal(site.front.actions.filter((action) => action === "CreateAccessKey").length, 1);
      assert.equal((await keyIds()).length, 1);
    });

    it("is found by its rotation in another process, revoked, and replaced", async () => {
      const identity = randomUUID();
      const request = await lose(identity);
      const [lost] = await keyIds();
      const kind = site.open();
      const found = await kind.inspect(identity);
      assert.deepEqual(
        found.map(({ rotationId, ref, enabled }) => [rotationId, ref["accessKeyId"], enabled]),
        [[request.rotationId, lost, true]],
      );
      assert.deepEqual(await kind.inspect(randomUUID()), []);
      await kind.revoke(found[0]!.ref, END);
      assert.deepEqual(await kind.inspect(identity), []);
      const issued = await kind.issue(request);
      assert.notEqual(issued.value["accessKeyId"], lost);
      assert.deepEqual(await keyIds(), [issued.value["accessKeyId"]]);
    });

    it("is revoked by the issue itself, where nobody asked before", async () => {
      const identity = randomUUID();
      const request = await lose(identity);
      const issued = await site.open().issue(request);
      assert.deepEqual(await keyIds(), [issued.value["accessKeyId"]]);
      assert.deepEqual(Object.keys(await site.tags()), [`rotation:${issued.value["accessKeyId"]}`]);
    });

    it("is found by a reference that has no key id yet", async () => {
      const identity = randomUUID();
      const request = await lose(identity);
      await site.open().revoke(request.draft.ref, END);
      assert.deepEqual(await keyIds(), []);
    });

    it("is not what somebody has used", async () => {
      const identity = randomUUID();
      const kind = site.open(throughFront());
      meddle("CreateAccessKey", async () => "drop");
      const request = await draftFor(kind, identity);
      await assert.rejects(kind.issue(request), UnreachableError);
      const foreign = await site.foreignKey();
      await site.sts(foreign).getCallerIdentity({});
      assert.deepEqual(await site.open().inspect(identity), []);
      await assert.rejects(site.open().issue(request), /does not know/);
      assert.deepEqual(await keyIds(), [foreign.accessKeyId]);
    });

    it("is not what was made long after the run was killed", async () => {
      const identity = randomUUID();
      const kind = site.open(throughFront(), Object.assign(kindContext({}, true), { clock: clockAhead(-2 * HOUR) }));
      meddle("CreateAccessKey", async () => "drop");
      await assert.rejects(kind.issue(await draftFor(kind, identity)), UnreachableError);
      await site.foreignKey();
      assert.deepEqual(await site.open().inspect(identity), []);
    });

    it("is neither of two", async () => {
      const identity = randomUUID();
      await lose(identity);
      await site.foreignKey();
      assert.deepEqual(await site.open().inspect(identity), []);
    });
  });

  describe("marks", () => {
    it("are tags of the user that AWS takes, and none but the keys' is left", async () => {
      const kind = site.open(throughFront());
      const values: string[] = [];
      meddle("TagUser", (call) => {
        values.push(new URLSearchParams(call.body).get("Tags.member.1.Value") ?? "");
        return call.forward();
      });
      const identity = randomUUID();
      const one = await kind.issue(await draftFor(kind, identity));
      await kind.issue(await draftFor(kind, identity, { live: [one.ref], version: 1_000_000 }));
      assert.equal(values.length, 4);
      // https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
      for (const value of values) assert.match(value, /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u);
      assert.deepEqual(
        Object.keys(await site.tags()).toSorted(),
        (await keyIds()).map((id) => `rotation:${id}`).toSorted(),
      );
    });

    it("of keys that somebody deleted are removed by the next issue, and other tags stay", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const one = await kind.issue(await draftFor(kind, identity));
      await site.iam.deleteAccessKey({ UserName: site.user, AccessKeyId: one.value["accessKeyId"]! });
      await site.iam.tagUser({ UserName: site.user, Tags: [{ Key: "team", Value: "shop" }] });
      assert.deepEqual(await kind.inspect(identity), []);
      const two = await kind.issue(await draftFor(kind, identity));
      assert.deepEqual(Object.keys(await site.tags()).toSorted(), [`rotation:${two.value["accessKeyId"]}`, "team"]);
    });

    it("that somebody took away do not make a live key unknown", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const one = await kind.issue(await draftFor(kind, identity));
      await site.iam.untagUser({ UserName: site.user, TagKeys: Object.keys(await site.tags()) });
      const two = await kind.issue(await draftFor(kind, identity, { live: [one.ref] }));
      await kind.revoke(one.ref, KEEP);
      assert.deepEqual(await keyIds(), [two.value["accessKeyId"]]);
    });

    it("that can no longer be tidied do not cost the key that was made", async () => {
      const context = kindContext({}, true);
      const kind = site.open(throughFront(), context);
      meddle("UntagUser", async () => refusedAs("AccessDenied", 403));
      const issued = await kind.issue(await draftFor(kind, randomUUID()));
      assert.deepEqual(await keyIds(), [issued.value["accessKeyId"]]);
      assert.match(context.lines.join("\n"), /tag rotation:intent .* could not be removed: .*iam:UntagUser/);
    });
  });

  it("gives way to a run that began later, and takes its own key back", async () => {
    const kind = site.open(throughFront());
    const later = site.open();
    const request = await draftFor(kind, randomUUID());
    let overtaking: Promise<Issued> | undefined;
    meddle("CreateAccessKey", async (call) => {
      const made = await call.forward();
      await (overtaking = later.issue(request));
      return made;
    });
    await assert.rejects(kind.issue(request), ConflictError);
    assert.deepEqual(await keyIds(), [(await overtaking!).value["accessKeyId"]]);
  });

  describe("AWS that does not agree with itself yet", () => {
    const issued = async (kind = site.open()) => kind.issue(await draftFor(kind, randomUUID()));

    it("is asked again until a new key works", async () => {
      const context = kindContext({}, true);
      const kind = site.open(throughFront(), context);
      const { value, ref } = await issued(kind);
      meddle("GetCallerIdentity", async (call, nth) =>
        nth <= 20 ? refusedAs("InvalidClientTokenId", 403) : call.forward(),
      );
      assert.deepEqual(await kind.verify(value, ref), {
        works: true,
        detail: `A log-in with it succeeded as arn:aws:iam::${ACCOUNT}:user/${site.user}.`,
      });
      assert.equal(site.front.actions.filter((action) => action === "GetCallerIdentity").length, 21);
      assert.match(
        context.lines.join("\n"),
        /Waiting for IAM and log-ins to agree on the access key AKIA\S+ for 1\d seconds/,
      );
    });

    it("is believed after the time that it is given", async () => {
      const context = kindContext({}, true);
      const kind = site.open({ ...throughFront(), settleWithin: "10s" }, context);
      const { value, ref } = await issued(kind);
      meddle("GetCallerIdentity", async () => refusedAs("InvalidClientTokenId", 403));
      const before = context.clock.now();
      const { works, detail } = await kind.verify(value, ref);
      assert.equal(works, false);
      assert.match(detail, /refuses a log-in with it \(InvalidClientTokenId\); IAM says that the key is active/);
      const waited = context.clock.now() - before;
      assert.ok(waited >= 10_000 && waited < 20_000, `waited ${waited} ms`);
    });

    it("is asked again until a deleted key is dead", async () => {
      const kind = site.open(throughFront());
      const { value, ref } = await issued(kind);
      let alive: Answer | undefined;
      meddle("GetCallerIdentity", async (call) => (alive ??= await call.forward()));
      assert.equal((await kind.verify(value, ref)).works, true);
      await kind.revoke(ref, KEEP);
      meddle("GetCallerIdentity", async (call, nth) => (nth <= 5 ? alive! : call.forward()));
      const { works, detail } = await kind.verify(value, ref);
      assert.equal(works, false);
      assert.match(detail, /InvalidClientTokenId\); IAM says that the key is not there/);
    });

    it("that goes on taking a deleted key is told so", async () => {
      const kind = site.open(throughFront());
      const { value, ref } = await issued(kind);
      let alive: Answer | undefined;
      meddle("GetCallerIdentity", async (call) => (alive ??= await call.forward()));
      await kind.verify(value, ref);
      await kind.revoke(ref, KEEP);
      assert.equal((await kind.verify(value, ref)).works, true);
    });

    it("is not asked again for a wrong secret", async () => {
      const kind = site.open(throughFront());
      const { value, ref } = await issued(kind);
      assert.equal((await kind.verify({ ...value, secretAccessKey: "x".repeat(40) }, ref)).works, false);
      assert.equal(site.front.actions.filter((action) => action === "GetCallerIdentity").length, 1);
    });

    it("stops asking when the run is cancelled", async () => {
      const context = kindContext();
      const kind = site.open(throughFront(), context);
      const { value, ref } = await issued();
      meddle("GetCallerIdentity", async (_call, nth) => {
        if (nth === 2) context.cancel(new Error("the run was cancelled"));
        return refusedAs("InvalidClientTokenId", 403);
      });
      await assert.rejects(kind.verify(value, ref), /the run was cancelled/);
    });
  });

  it("does not take the key of another account or user for the one that was issued", async () => {
    const kind = site.open();
    const { value, ref } = await kind.issue(await draftFor(kind, randomUUID()));
    const elsewhere = await kind.verify(value, { ...ref, account: "210987654321" });
    assert.deepEqual([elsewhere.works, /account 123456789012, not 210987654321/.test(elsewhere.detail)], [false, true]);
    const foreign = await site.foreignKey();
    await site.newUser();
    const other = await site.open({ settleWithin: "1s" }).verify(foreign, ref);
    assert.equal(other.works, false);
    assert.match(other.detail, new RegExp(`not as the user ${site.user}`));
  });

  describe("evidence of use", () => {
    it("holds a key back for as long as the options say after its last use, and then proves that there was none", async () => {
      const context = kindContext({}, true);
      const kind = site.open({ usedWithin: "5h" }, context);
      const { value, ref } = await kind.issue(await draftFor(kind, randomUUID()));
      const before = Date.now();
      await site.sts(value).getCallerIdentity({});
      const used = await kind.usage(ref);
      assert.equal(used.verdict, "used");
      assert.equal(used.uses[0]?.principal, `${site.user}/${value["accessKeyId"]}`);
      assert.match(used.uses[0].by, /^sts in \S+, last at 20\S+Z, as a verification/);
      context.advance(5 * HOUR + 2000);
      const unused = await kind.usage(ref);
      assert.equal(unused.verdict, "unused");
      assert.ok(Math.abs(unused.since! - before) < 5000);
    });

    it("of a key that was never used is none, until IAM has had the time to record one", async () => {
      const context = kindContext({}, true);
      const kind = site.open({}, context);
      const { ref } = await kind.issue(await draftFor(kind, randomUUID()));
      assert.equal((await kind.usage(ref)).verdict, "not-seen");
      context.advance(37 * HOUR);
      assert.equal((await kind.usage(ref)).verdict, "unused");
    });

    it("is none for what is gone", async () => {
      const kind = site.open();
      const { ref } = await kind.issue(await draftFor(kind, randomUUID()));
      await kind.revoke(ref, KEEP);
      assert.deepEqual(await kind.usage(ref), { verdict: "not-seen", uses: [] });
    });
  });

  it("makes a key inactive before it deletes it, and says what may live on of one that was used", async () => {
    const context = kindContext({}, true);
    const kind = site.open(throughFront(), context);
    const { value, ref } = await kind.issue(await draftFor(kind, randomUUID()));
    await site.sts(value).getCallerIdentity({});
    site.front.actions.length = 0;
    await kind.revoke(ref, END);
    const changes = site.front.actions.filter((action) => action !== "GetAccessKeyLastUsed");
    assert.deepEqual(changes, ["UpdateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "UntagUser"]);
    assert.match(context.lines.join("\n"), /Temporary credentials that were got with it may live on, for 36 hours/);
    assert.deepEqual(await site.tags(), {});
  });

  describe("permissions", () => {
    const steps: Record<string, (kind: ReturnType<typeof site.open>, issued: Issued) => Promise<unknown>> = {
      "iam:GetUser": (kind) => kind.inspect(randomUUID()),
      "iam:ListAccessKeys": (kind, { value, ref }) => kind.verify(value, ref),
      "iam:CreateAccessKey": async (kind) => kind.issue(await draftFor(kind, "0".repeat(20), { live: [live!.ref] })),
      "iam:TagUser": async (kind) => kind.issue(await draftFor(kind, "0".repeat(20), { live: [live!.ref] })),
      "iam:UpdateAccessKey": (kind, { ref }) => kind.disable(ref),
      "iam:DeleteAccessKey": (kind, { ref }) => kind.revoke(ref, KEEP),
      "iam:GetAccessKeyLastUsed": (kind, { ref }) => kind.usage(ref),
      "iam:UntagUser": (kind, { ref }) => kind.revoke(ref, KEEP),
    };
    let live: Issued | undefined;

    for (const [action, step] of Object.entries(steps)) {
      it(`names ${action} where it is missing, and does not take it for a bad key`, async () => {
        const kind = site.open();
        live = await kind.issue(await draftFor(kind, "0".repeat(20)));
        await site.allow(action);
        await assert.rejects(step(kind, live), (error: Error) => {
          assert.ok(error instanceof ConfigurationError, String(error));
          assert.ok(error.message.includes(`Allow ${action} on arn:aws:iam::ACCOUNT:user/${site.user}`), error.message);
          assert.ok(!error.message.includes(live!.value["secretAccessKey"]!));
          return true;
        });
        await site.allow();
        assert.equal((await keyIds()).length, action === "iam:UntagUser" ? 0 : 1);
      });
    }

    it("as the page has them are enough for a whole life", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const given = await site.foreignKey();
      const adopted = await kind.adopt!({ username: given.accessKeyId, password: given.secretAccessKey });
      const next = await kind.issue(await draftFor(kind, identity, { live: [adopted.ref] }));
      assert.equal((await kind.verify(next.value, next.ref)).works, true);
      await kind.usage(adopted.ref);
      await kind.disable(adopted.ref);
      await kind.enable(adopted.ref);
      await kind.revoke(adopted.ref, END);
      assert.deepEqual(await keyIds(), [next.value["accessKeyId"]]);
    });
  });

  describe("trouble at AWS", () => {
    it("that turns a call away is waited out, and still makes one key", async () => {
      const kind = site.open(throughFront());
      meddle("CreateAccessKey", async (call, nth) => (nth <= 3 ? refusedAs("Throttling") : call.forward()));
      await kind.issue(await draftFor(kind, randomUUID()));
      assert.equal((await keyIds()).length, 1);
    });

    it("that goes on is an UnreachableError without what AWS said", async () => {
      const kind = site.open({ ...throughFront(), maxAttempts: 2 });
      for (const code of ["Throttling", "ServiceFailure"]) {
        meddle("CreateAccessKey", async () => refusedAs(code, code === "Throttling" ? 400 : 500));
        const error = await errorOf(kind.issue(await draftFor(kind, randomUUID())));
        assert.ok(error instanceof UnreachableError, String(error));
        assert.ok(!error.message.includes("quoted"), error.message);
      }
      assert.deepEqual(await keyIds(), []);
    });

    it("that never answers ends with the time limit", async () => {
      const kind = site.open({ ...throughFront(), timeout: "300ms" });
      meddle("ListAccessKeys", async () => "silence");
      await assert.rejects(kind.inspect(randomUUID()), (error: Error) => {
        assert.match(error.message, /did not answer within 300 ms/);
        return error instanceof UnreachableError;
      });
    });
  });

  it("says that the user is not there, and finds no keys of it", async () => {
    const kind = site.open({ user: "nobody" });
    await site.moto.allow("pipeline", {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "iam:*", Resource: "*" }],
    });
    assert.deepEqual(await kind.inspect(randomUUID()), []);
    await assert.rejects(kind.issue(await draftFor(kind, randomUUID())), (error: Error) => {
      assert.match(error.message, /no IAM user nobody/);
      return error instanceof ConfigurationError;
    });
    await kind.revoke({ user: "nobody", accessKeyId: "AKIAIOSFODNN7EXAMPLE" }, END);
  });

  describe("adoption", () => {
    it("takes the key id and secret that are in use, and nothing else", async () => {
      const kind = site.open();
      const given = await site.foreignKey();
      const adopted = await kind.adopt!({ username: given.accessKeyId, password: given.secretAccessKey });
      assert.deepEqual(adopted, {
        ref: {
          ...{ user: site.user, account: ACCOUNT, accessKeyId: given.accessKeyId },
          ...{ rotation: "", version: "", adopted: "true" },
        },
        value: given,
      });
      assert.deepEqual(await site.tags(), {});
      await assert.rejects(kind.adopt!({ password: "hunter2" }), (error: Error) => {
        assert.ok(!error.message.includes("hunter2"));
        return error instanceof ConfigurationError;
      });
    });

    it("refuses a key of another user, a wrong secret, and one that was issued", async () => {
      const kind = site.open();
      await assert.rejects(kind.adopt!({ username: "AKIAIOSFODNN7EXAMPLE", password: "x" }), NotFoundError);
      const given = await site.foreignKey();
      await assert.rejects(kind.adopt!({ username: given.accessKeyId, password: "x" }), /cannot be adopted/);
      await site.newUser();
      const own = site.open();
      const { value } = await own.issue(await draftFor(own, randomUUID()));
      await assert.rejects(own.adopt!(value), /was issued by rotation/);
    });
  });

  it("does nothing to a key by the reference of a version that never came to one", async () => {
    const kind = site.open();
    const { ref } = await kind.propose(requestFor(randomUUID()));
    await kind.revoke(ref, END);
    await assert.rejects(kind.disable(ref), NotFoundError);
  });
});

function clockAhead(ms: number) {
  return { now: () => Date.now() + ms, sleep: async () => undefined };
}
