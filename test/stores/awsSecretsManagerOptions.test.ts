import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stores } from "../../provider/registry";
import { awsSecretsManagerOptions } from "../../provider/stores/awsSecretsManager";
import { locationOf } from "../../provider/stores/awsSecretsManager/options";

const roleArn = "arn:aws:iam::123456789012:role/rotation";
const least = { type: "awsSecretsManager", name: "orders/db" } as const;

describe("the options of the store in AWS Secrets Manager", () => {
  const wrong = (more: object, message: RegExp) => {
    const parsed = awsSecretsManagerOptions.safeParse({ ...least, ...more });
    assert.ok(!parsed.success, JSON.stringify(more));
    assert.match(parsed.error.issues.map((issue) => issue.message).join("; "), message);
  };

  it("may be few or all of them", () => {
    awsSecretsManagerOptions.parse(least);
    awsSecretsManagerOptions.parse({
      ...least,
      region: "us-gov-west-1",
      endpoint: "https://vpce-1.secretsmanager.us-gov-west-1.vpce.amazonaws.com",
      profile: "staging",
      assumeRole: { roleArn, externalId: "a:b/c", sessionName: "ci@orders" },
      format: { text: "${user}:${password:uri}" },
      kmsKeyId: "alias/orders",
      recoveryWindowDays: 7,
      timeout: "1m",
      maxAttempts: 1,
    });
  });

  it("say what is wrong, what is allowed, and what was given", () => {
    wrong(
      { name: "arn:aws:secretsmanager:eu-west-1:1:secret:a" },
      /name must be the secret's name, not its ARN.*"arn:/,
    );
    wrong({ name: "x".repeat(504) }, /1 to 503 letters/);
    wrong({ name: undefined }, /name must be .*it is missing/);
    wrong({ region: "Ireland" }, /region must be an AWS region such as "eu-west-1"; it is "Ireland"/);
    for (const endpoint of ["http://secretsmanager.example", "localhost:4566", "https://u:p@host", "https://host/path"])
      wrong({ endpoint }, /endpoint must be a URL that begins with https/);
    wrong({ assumeRole: { roleArn: "rotation" } }, /roleArn must be the ARN of a role/);
    wrong({ assumeRole: { roleArn, sessionName: "a b" } }, /sessionName must be 2 to 64/);
    wrong({ assumeRole: { roleArn, duration: 1 } }, /assumeRole has no option "duration"; allowed are: roleArn/);
    wrong({ recoveryWindowDays: 31 }, /recoveryWindowDays must be a whole number from 7 to 30; it is 31/);
    wrong({ timeout: "10" }, /timeout must be a duration/);
    wrong({ maxAttempts: 0 }, /maxAttempts must be a whole number from 1 to 20/);
    wrong({ format: "yaml" }, /format must be one of/);
    wrong({ secretName: "orders" }, /The store awsSecretsManager has no option "secretName"; allowed are: type, name/);
  });

  it("say where the secret is, so that no two secrets are one and no endpoint of AWS makes another", () => {
    const at = (more: object) => locationOf(awsSecretsManagerOptions.parse({ ...least, ...more }));
    assert.equal(at({}), "aws:default/orders/db");
    assert.equal(at({ region: "eu-west-1" }), "aws:eu-west-1/orders/db");
    const endpoint = "https://secretsmanager.eu-west-1.amazonaws.com";
    assert.equal(at({ region: "eu-west-1", endpoint }), "aws:eu-west-1/orders/db");
    assert.equal(at({ endpoint: "http://localhost:4566" }), "aws:default/orders/db at http://localhost:4566");
    assert.equal(at({ region: "eu-west-1", profile: "staging" }), "aws:staging@eu-west-1/orders/db");
    assert.equal(at({ profile: "staging", assumeRole: { roleArn } }), "aws:123456789012@default/orders/db");
  });

  it("are all on the page, and those of the registry", async () => {
    const page = readFileSync(join(__dirname, "../../docs/stores/aws.md"), "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name);
    for (const name of Object.keys(awsSecretsManagerOptions.shape)) assert.ok(rows.includes(name), name);
    assert.equal((await stores["awsSecretsManager"]?.())?.options, awsSecretsManagerOptions);
  });
});
