import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { AwsSecret, lambdaPolicy, type AwsSecretArgs } from "../../../components/aws";
import { isKnown, namesBefore, run, valueOf, type Lookup } from "./support";

const SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-a1B2c3";
const COMPANION = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-rotation-a1B2c3";
const KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const COMPONENT = { type: "rotation:aws:AwsSecret", name: "orders-db", inputs: {} };
const SECRET_TYPE = "aws:secretsmanager/secret:Secret";

const arnOf = (name: string) => `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-a1B2c3`;

const world = {
  outputs: (type: string, inputs: Record<string, any>) =>
    type === SECRET_TYPE ? { arn: arnOf(inputs.name) } : type === "aws:iam/policy:Policy" ? { arn: "arn" } : {},
  lookup: ({ token, inputs }: Lookup) =>
    token === "aws:kms/getKey:getKey" ? { arn: KEY } : { arn: arnOf(inputs["name"] as string) },
};

function make(args: Partial<AwsSecretArgs> = {}, more = {}) {
  return run((opts) => new AwsSecret("orders-db", { name: "orders/db", ...args }, opts), { ...world, ...more });
}

const PIPELINE = {
  Sid: "Secrets",
  Effect: "Allow",
  Action: [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
  ],
  Resource: [SECRET, COMPANION],
};
const CONSUMER = {
  Sid: "Secret",
  Effect: "Allow",
  Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
  Resource: [SECRET],
};

async function policiesOf({ pipelinePolicy, consumerPolicy }: AwsSecret) {
  const [pipeline, consumer] = await Promise.all([pipelinePolicy, consumerPolicy].map(valueOf));
  return { pipeline: JSON.parse(pipeline!) as unknown, consumer: JSON.parse(consumer!) as unknown };
}

describe("AwsSecret", () => {
  it("makes the secret and its companion, and no policy unless it is asked to", async () => {
    const { made, lookups, value } = await make();
    assert.deepEqual(lookups, []);
    assert.deepEqual(made, [
      {
        type: SECRET_TYPE,
        name: "orders-db",
        inputs: { name: "orders/db", description: "Rotated: readers take AWSCURRENT." },
      },
      {
        type: SECRET_TYPE,
        name: "orders-db-rotation",
        inputs: {
          name: "orders/db-rotation",
          description: "The record of a rotated secret. Applications do not read it.",
        },
      },
      COMPONENT,
    ]);
    assert.equal(value.policies, undefined);
    assert.deepEqual(await policiesOf(value), {
      pipeline: { Version: "2012-10-17", Statement: [PIPELINE] },
      consumer: { Version: "2012-10-17", Statement: [CONSUMER] },
    });
  });

  it("gives both secrets key, region, tags and recovery window, and only the first one the resource policy", async () => {
    const { made } = await make({
      kmsKeyId: KEY,
      recoveryWindowDays: 7,
      tags: { team: "orders" },
      resourcePolicy: '{"Version":"2012-10-17"}',
      connection: { region: "eu-west-1" },
    });
    const shared = { kmsKeyId: KEY, recoveryWindowInDays: 7, tags: { team: "orders" }, region: "eu-west-1" };
    const [secret, companion] = made.map(({ inputs }) => inputs);
    assert.deepEqual(secret, {
      name: "orders/db",
      description: "Rotated: readers take AWSCURRENT.",
      policy: '{"Version":"2012-10-17"}',
      ...shared,
    });
    assert.deepEqual(companion, {
      name: "orders/db-rotation",
      description: "The record of a rotated secret. Applications do not read it.",
      ...shared,
    });
  });

  it("lets the key be used through Secrets Manager alone, and for these secrets alone", async () => {
    const { value, lookups } = await make({ kmsKeyId: KEY });
    const keyFor = (actions: string[], secrets: string[]) => ({
      Sid: "Key",
      Effect: "Allow",
      Action: actions,
      Resource: [KEY],
      Condition: {
        StringEquals: {
          "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
          "kms:EncryptionContext:SecretARN": secrets,
        },
      },
    });
    assert.deepEqual(lookups, []);
    assert.deepEqual(await policiesOf(value), {
      pipeline: {
        Version: "2012-10-17",
        Statement: [PIPELINE, keyFor(["kms:Decrypt", "kms:GenerateDataKey"], [SECRET, COMPANION])],
      },
      consumer: { Version: "2012-10-17", Statement: [CONSUMER, keyFor(["kms:Decrypt"], [SECRET])] },
    });
  });

  it("looks up the ARN of a key that is named by its alias: a policy can name no alias", async () => {
    const { value, lookups } = await make({ kmsKeyId: "alias/rotation", connection: { region: "eu-west-1" } });
    assert.deepEqual(lookups, [
      { token: "aws:kms/getKey:getKey", inputs: { keyId: "alias/rotation", region: "eu-west-1" } },
    ]);
    const { consumer } = (await policiesOf(value)) as { consumer: { Statement: { Resource: string[] }[] } };
    assert.deepEqual(consumer.Statement[1]?.Resource, [KEY]);
  });

  it("makes the policies as IAM policies where it is asked to", async () => {
    const { made, value } = await make({ iamPolicies: true, tags: { team: "orders" } });
    const policies = made.filter(({ type }) => type === "aws:iam/policy:Policy");
    assert.deepEqual(
      policies.map(({ name, inputs }) => ({
        name,
        ...inputs,
        policy: JSON.parse(inputs["policy"] as string) as unknown,
      })),
      [
        {
          name: "orders-db-consumer",
          tags: { team: "orders" },
          policy: { Version: "2012-10-17", Statement: [CONSUMER] },
        },
        {
          name: "orders-db-pipeline",
          tags: { team: "orders" },
          policy: { Version: "2012-10-17", Statement: [PIPELINE] },
        },
      ],
    );
    assert.equal(await valueOf(value.policies!.pipeline.arn), "arn");
  });

  it("takes a secret that exists and makes only the companion", async () => {
    const { made, lookups, value } = await make({ existing: "secret" });
    assert.deepEqual(
      made.map(({ name, inputs }) => [name, inputs["name"]]),
      [
        ["orders-db-rotation", "orders/db-rotation"],
        ["orders-db", undefined],
      ],
    );
    assert.deepEqual(lookups, [{ token: "aws:secretsmanager/getSecret:getSecret", inputs: { name: "orders/db" } }]);
    assert.equal(await valueOf(value.arn), SECRET);
  });

  it("takes both where both exist, with the same policies", async () => {
    const { made, lookups, value } = await make({ existing: true });
    assert.deepEqual(made, [COMPONENT]);
    assert.deepEqual(lookups.map(({ inputs }) => inputs["name"]).sort(), ["orders/db", "orders/db-rotation"]);
    assert.deepEqual(await policiesOf(value), {
      pipeline: { Version: "2012-10-17", Statement: [PIPELINE] },
      consumer: { Version: "2012-10-17", Statement: [CONSUMER] },
    });
  });

  it("gives the store as data, in the region where the secret is", async () => {
    const plain = await make();
    assert.deepEqual(await valueOf(plain.value.store), {
      type: "awsSecretsManager",
      region: "eu-west-1",
      name: "orders/db",
    });
    const full = await make({
      kmsKeyId: KEY,
      format: "rds",
      recoveryWindowDays: 0,
      connection: { profile: "rotation", timeout: "5s", region: "eu-west-1" },
    });
    assert.deepEqual(await valueOf(full.value.store), {
      type: "awsSecretsManager",
      region: "eu-west-1",
      profile: "rotation",
      timeout: "5s",
      format: "rds",
      kmsKeyId: KEY,
      name: "orders/db",
    });
  });

  it("has secrets and policy there before the first version, and until the last one is gone", async () => {
    const { value } = await make({ iamPolicies: true });
    assert.deepEqual(await namesBefore(value.store), [
      "aws:iam/policy:Policy orders-db-pipeline",
      "aws:secretsmanager/secret:Secret orders-db",
      "aws:secretsmanager/secret:Secret orders-db-rotation",
    ]);
  });

  it("does not say in a preview where the store is, while the secrets are still to be made", async () => {
    const { value } = await make({}, { preview: true, outputs: () => ({}) });
    assert.equal(await isKnown(value.store), false);
  });

  it("names the secret for each kind of reader", async () => {
    const { value } = await make({ format: "basic-auth", lambdaTtlSeconds: 60 });
    assert.deepEqual(await valueOf(value.references), {
      externalSecret: { dataFrom: [{ extract: { key: "orders/db" } }] },
      secretProviderClass: {
        objectName: "orders/db",
        objectType: "secretsmanager",
        jmesPath: [
          { path: "username", objectAlias: "username" },
          { path: "password", objectAlias: "password" },
        ],
      },
      ecs: {
        valueFrom: SECRET,
        fields: { username: `${SECRET}:username::`, password: `${SECRET}:password::` },
      },
      lambda: { path: "/secretsmanager/get?secretId=orders%2Fdb", environment: { SECRETS_MANAGER_TTL: "60" } },
    });
  });

  it("names no field where readers get one text", async () => {
    const { value } = await make({ format: { text: "${url}" } });
    assert.deepEqual(await valueOf(value.references), {
      externalSecret: { data: [{ secretKey: "value", remoteRef: { key: "orders/db" } }] },
      secretProviderClass: { objectName: "orders/db", objectType: "secretsmanager" },
      ecs: { valueFrom: SECRET, fields: {} },
      lambda: { path: "/secretsmanager/get?secretId=orders%2Fdb", environment: { SECRETS_MANAGER_TTL: "300" } },
    });
  });

  it("names a field with a hyphen as JMESPath and ECS read it", async () => {
    const { value } = await make({ fields: ["user-name"] });
    const { secretProviderClass, ecs } = (await valueOf(value.references))!;
    assert.deepEqual(secretProviderClass.jmesPath, [{ path: '"user-name"', objectAlias: "user-name" }]);
    assert.deepEqual(ecs.fields, { "user-name": `${SECRET}:user-name::` });
  });
});

describe("lambdaPolicy", () => {
  const functionArn = "arn:aws:lambda:eu-west-1:123456789012:function:orders";
  const versions = `${functionArn}:*`;
  const FUNCTION = {
    Sid: "Function",
    Effect: "Allow",
    Action: [
      "lambda:GetAlias",
      "lambda:GetFunctionConfiguration",
      "lambda:GetProvisionedConcurrencyConfig",
      "lambda:ListVersionsByFunction",
      "lambda:PublishVersion",
      "lambda:UpdateAlias",
      "lambda:UpdateFunctionConfiguration",
    ],
    Resource: [functionArn, versions],
  };
  const made = async (more: object) => {
    const ran = await run(() => lambdaPolicy({ functionArn: pulumi.output(functionArn), ...more }));
    assert.deepEqual(ran.made, [], "it makes nothing");
    return JSON.parse((await valueOf(ran.value))!) as { Statement: object[] };
  };

  it("lets the one function be moved, and nothing else", async () => {
    assert.deepEqual(await made({}), { Version: "2012-10-17", Statement: [FUNCTION] });
  });

  it("lets versions be invoked and deleted only where it is asked to, and never the function", async () => {
    const { Statement } = await made({ probe: true, keepVersions: true });
    assert.deepEqual(Statement, [
      FUNCTION,
      { Sid: "Probe", Effect: "Allow", Action: ["lambda:InvokeFunction"], Resource: [versions] },
      { Sid: "Aliases", Effect: "Allow", Action: ["lambda:ListAliases"], Resource: [functionArn] },
      { Sid: "Versions", Effect: "Allow", Action: ["lambda:DeleteFunction"], Resource: [versions] },
    ]);
  });

  it("lets the key of the variables be used through Lambda alone", async () => {
    const { Statement } = await made({ keyArn: KEY });
    assert.deepEqual(Statement[1], {
      Sid: "Key",
      Effect: "Allow",
      Action: ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"],
      Resource: [KEY],
      Condition: { StringEquals: { "kms:ViaService": "lambda.eu-west-1.amazonaws.com" } },
    });
  });
});
