import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { lambdaPolicyDocument } from "../../components/aws/policies";
import { lambdaConsumerOptions } from "../../provider/consumers/lambda";
import { stepsLeft } from "../../provider/consumers/lambda/alias";
import { differences, variablesOf } from "../../provider/consumers/lambda/configuration";
import { judge } from "../../provider/consumers/lambda/probe";
import { referenceTo } from "../../provider/consumers/lambda/templates";
import { surplus } from "../../provider/consumers/lambda/tidy";
import type { StoredVersion } from "../../provider/contracts/store";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { consumers } from "../../provider/registry";

const least = { type: "lambda", name: "orders", functionName: "orders", alias: "live" } as const;
const page = readFileSync(join(__dirname, "../../docs/consumers/lambda.md"), "utf8");

const stored = (secret: string, version: number): StoredVersion => ({
  secret,
  ref: { version, token: "0123456789abcdef0123" },
  fingerprint: `fp-${version}`,
  issued: {},
  value: { password: "a-password-that-is-secret" },
});

describe("the options of the consumer lambda", () => {
  const wrong = (more: object, message: RegExp) => {
    const parsed = lambdaConsumerOptions.safeParse({ ...least, ...more });
    assert.ok(!parsed.success, JSON.stringify(more));
    assert.match(parsed.error.issues.map((issue) => issue.message).join("; "), message);
  };

  it("may be few, or name the function by its ARN", () => {
    lambdaConsumerOptions.parse(least);
    lambdaConsumerOptions.parse({
      ...least,
      functionName: "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders",
    });
  });

  it("say what is wrong, what is allowed, and what was given", () => {
    wrong({ functionName: "orders:live" }, /functionName must be the name of a function .*; it is "orders:live"/);
    wrong({ alias: "7" }, /alias must be the name of an alias .* not digits alone; it is "7"/);
    wrong({ alias: undefined }, /alias must be .*it is missing/);
    wrong({ endpoint: "http://lambda.example" }, /endpoint must be a URL that begins with https/);
    wrong({ weights: [50, 10] }, /weights must rise from step to step/);
    wrong({ weights: [100] }, /a step of weights, a percentage, must be a whole number from 1 to 99; it is 100/);
    wrong({ weights: [] }, /at least one step; leave it out/);
    wrong({ stepInterval: "1m" }, /stepInterval has no effect without weights/);
    wrong({ keepVersions: 0 }, /keepVersions must be a whole number from 1 to 1000; it is 0/);
    wrong({ unreleased: "yes" }, /unreleased must be "refuse" or "publish"; it is "yes"/);
    wrong({ probe: { payload: {}, expect: 1 } }, /probe has no option "expect"; allowed are: payload, adoption/);
    wrong({ probe: { payload: () => 1 } }, /payload of probe must be JSON/);
    wrong({ qualifier: "live" }, /a lambda consumer has no option "qualifier"; allowed are: type, name/);
  });

  it("say which variables and placeholders there may be", () => {
    wrong({ environment: "DB" }, /environment must name variables and their templates/);
    wrong(
      { environment: { DB: "{password}" } },
      /a template of environment must be .*\{versionId\}.*it is "\{password\}"/,
    );
    wrong({ environment: { "DB-ID": "{version}" } }, /a variable of environment must be named by a letter.*"DB-ID"/);
    wrong({ environment: { AWS_LAMBDA_ID: "{version}" } }, /not as one that Lambda sets itself; it is "AWS_LAMBDA_ID"/);
    wrong({ environment: { DB: "{secret}" } }, /of each secret, at least one template with \{version\}/);
    wrong(
      { environment: { db: { DB: "fixed" }, mail: { MAIL: "{version}" } } },
      /of each secret, at least one template/,
    );
  });

  it("are all on the page, with the policy that the component gives", async () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name);
    for (const name of Object.keys(lambdaConsumerOptions.shape)) assert.ok(rows.includes(name), name);
    assert.equal((await consumers["lambda"]?.())?.options, lambdaConsumerOptions);
    const policy = /```json\n(\{\n {2}"Version"[\s\S]*?)```/.exec(page)?.[1] ?? "";
    const functionArn = "arn:aws:lambda:eu-west-1:123456789012:function:orders";
    const key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert.deepEqual(
      JSON.parse(policy),
      JSON.parse(lambdaPolicyDocument({ functionArn, key, probe: true, keepVersions: true })),
    );
  });
});

describe("what names a version in a function's variables", () => {
  const db = stored("orders-db", 7);
  const mail = stored("2nd mail", 3);
  const ID = "VersionId of a token that cannot be one";

  it("is by default its id in Secrets Manager and its fingerprint, under the secret's name", () => {
    const reference = referenceTo({ secrets: [db, mail] }, undefined, "orders");
    assert.deepEqual(Object.keys(reference).sort(), [
      "ORDERS_DB_FINGERPRINT",
      "ORDERS_DB_VERSION_ID",
      "SECRET_2ND_MAIL_FINGERPRINT",
      "SECRET_2ND_MAIL_VERSION_ID",
    ]);
    assert.equal(reference["ORDERS_DB_FINGERPRINT"], "fp-7");
    assert.match(
      reference["ORDERS_DB_VERSION_ID"] ?? ID,
      /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    );
  });

  it("is what the program writes, filled in", () => {
    const environment = { DB: "{secret}/v{version}?{token}#{fingerprint}" };
    assert.deepEqual(referenceTo({ secrets: [db] }, environment, "orders"), {
      DB: "orders-db/v7?0123456789abcdef0123#fp-7",
    });
  });

  it("has to fit the secrets of the rollout", () => {
    const refused = (secrets: StoredVersion[], environment: Parameters<typeof referenceTo>[1], message: RegExp) =>
      assert.throws(
        () => referenceTo({ secrets }, environment, "orders"),
        (error: Error) => error instanceof ConfigurationError && message.test(error.message),
      );
    refused([db, mail], { DB: "{version}" }, /names variables, and the rollout has 2 secrets.*"orders-db", "2nd mail"/);
    refused([db], { mail: { MAIL: "{version}" } }, /has no variables for "orders-db"/);
    refused(
      [db],
      { "orders-db": { DB: "{version}" }, mail: { M: "{version}" } },
      /variables for "mail", which the rollout/,
    );
    const same = { "orders-db": { ID: "{version}" }, "2nd mail": { ID: "{version}" } };
    refused([db, mail], same, /the variable ID is to name two secrets/);
    refused([], undefined, /its rollout names no secret/);
  });
});

describe("what the consumer lambda decides", () => {
  const alias = (main: string, other?: { version: string; weight: number }) => ({ main, other, revision: "r" });

  it("steps only on the way to a newer version, from the step that was reached", () => {
    assert.deepEqual(stepsLeft([10, 50], alias("1"), "2"), [10, 50]);
    assert.deepEqual(stepsLeft([10, 50], alias("1", { version: "2", weight: 0.1 }), "2"), [50]);
    assert.deepEqual(stepsLeft([10, 50], alias("1", { version: "2", weight: 0.5 }), "2"), []);
    assert.deepEqual(stepsLeft([10, 50], alias("1", { version: "3", weight: 0.5 }), "2"), [10, 50]);
    assert.deepEqual(stepsLeft([10, 50], alias("10"), "9"), []);
    assert.deepEqual(stepsLeft(undefined, alias("1"), "2"), []);
  });

  it("deletes the oldest of its own for this alias, and none that an alias names", () => {
    const own = (Version: string, Description = "Rotation for live: v1") => ({ Version, Description });
    const versions = [
      own("$LATEST"),
      own("1", "a release"),
      own("2"),
      own("3"),
      own("9"),
      own("10", "Rotation for blue: v1"),
      own("11"),
      own("12"),
    ];
    assert.deepEqual(surplus(versions, new Set(["12", "2"]), "live", 1), ["9", "3"]);
    assert.deepEqual(surplus(versions, new Set(["12"]), "live", 5), []);
  });

  it("says in what two versions differ, but for the reference, states and descriptions", () => {
    const one = {
      CodeSha256: "a",
      MemorySize: 128,
      Description: "x",
      RevisionId: "1",
      VpcConfig: { SubnetIds: ["s-1", "s-2"], SecurityGroupIds: [] },
      Environment: { Variables: { DB: "1", A: "secret-a" } },
    };
    const other = {
      ...one,
      Description: "y",
      RevisionId: "2",
      VpcConfig: { SubnetIds: ["s-2", "s-1"], SecurityGroupIds: [], VpcId: "" },
      Environment: { Variables: { DB: "2", A: "secret-a" } },
    };
    assert.deepEqual(differences(one, other, { DB: "3" }), []);
    assert.deepEqual(
      differences(
        { ...one, Layers: [{ Arn: "layer:2" }] },
        { ...other, CodeSha256: "b", Environment: { Variables: {} } },
        { DB: "3" },
      ),
      ["code", "layers", "the variable A"],
    );
  });

  it("says which permission is missing where the variables are not shown", () => {
    const Environment = { Error: { ErrorCode: "AccessDeniedException", Message: "not shown: secret" } };
    assert.throws(
      () => variablesOf({ FunctionName: "orders", Version: "7", Environment }),
      (error: Error) => error instanceof ConfigurationError && /orders:7.*Allow kms:Decrypt/.test(error.message),
    );
  });

  it("judges what a function answers", () => {
    const target = { secrets: [stored("orders-db", 7)] };
    const judged = (answer: unknown, more: object = {}, adoption = false) => {
      const Payload = Buffer.from(typeof answer === "string" ? answer : JSON.stringify(answer));
      const { well, detail } = judge({ Payload, ...more }, { adoption }, target, (text) =>
        text.replace("secret", "***"),
      );
      return [well, detail];
    };
    assert.deepEqual(judged(null), [true, "it answered"]);
    assert.deepEqual(judged("not JSON"), [true, "it answered"]);
    assert.deepEqual(judged({ statusCode: 404 }), [true, "it answered"]);
    assert.deepEqual(judged({ statusCode: 500 }), [false, "it answered with the status 500"]);
    assert.deepEqual(judged({ errorType: "E", errorMessage: "a secret" }, { FunctionError: "Unhandled" }), [
      false,
      "it failed (Unhandled): E: a ***",
    ]);
    assert.deepEqual(judged("", { FunctionError: "Unhandled" }), [false, "it failed (Unhandled): it does not say why"]);
    assert.equal(judged({ adoption: { fingerprint: "fp-7" } }, {}, true)[0], true);
    assert.equal(judged({ fingerprints: { "orders-db": ["fp-7"] } }, {}, true)[0], true);
    assert.equal(judged({ fingerprints: { "orders-db": ["fp-6", "fp-7"] } }, {}, true)[0], false);
    assert.deepEqual(judged({}, {}, true), [
      false,
      "its answer does not say which version it uses (`adoption` of the probe)",
    ]);
  });
});
