import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecretStore } from "../../provider/contracts/store";
import { ConfigurationError, UnreachableError } from "../../provider/lifecycle/errors";
import { loadCredentials } from "../../provider/net/aws/sdk";
import { loadSecretsManager } from "../../provider/stores/awsSecretsManager/sdk";
import { awsSite, documentedPolicies, makeStored, promoteNew } from "./servers/awsSite";
import { ACCOUNT, REGION, type AccessKey } from "./servers/moto";

interface Policy {
  readonly Version: string;
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: string | string[];
    readonly Resource: unknown;
  }[];
}

const actionsOf = (policy: Policy) => policy.Statement.flatMap(({ Action }) => Action);

function without(policy: Policy, action: string): Policy {
  const Statement = policy.Statement.map((statement) => ({
    ...statement,
    Action: [statement.Action].flat().filter((other) => other !== action),
  }));
  return { ...policy, Statement: Statement.filter(({ Action }) => Action.length > 0) };
}

/** All that a store is ever asked for. */
async function wholeLife(store: SecretStore): Promise<void> {
  const one = await promoteNew(store, 1);
  await store.readPayload();
  const two = await promoteNew(store, 2);
  await store.read(two);
  await store.retire(one);
  await store.clearCurrent((await store.load()).revision);
  await store.retire(two);
  await promoteNew(store, 3);
}

describe("who may use the store in AWS Secrets Manager", function () {
  this.timeout(60_000);
  const site = awsSite();

  const refused = async (action: Promise<unknown>, message: RegExp) =>
    assert.rejects(action, (error: Error) => {
      assert.ok(error instanceof ConfigurationError, String(error.stack));
      assert.match(error.message, message);
      assert.ok(!String(error.stack).includes(site.pipelineKey.secretAccessKey));
      assert.ok(!/secret-\d/.test(`${error.stack} ${JSON.stringify(error)}`), "no value of the secret");
      return true;
    });

  describe("with the policies of the documentation", () => {
    it("a pipeline can do all it has to", async () => {
      await site.fresh();
      await wholeLife(site.open());
    });

    it("a pipeline needs every one of its permissions, and the error names the one that is missing", async () => {
      const policy = documentedPolicies("any")[0] as Policy;
      assert.equal(actionsOf(policy).length, 7);
      for (const action of actionsOf(policy)) {
        await site.fresh();
        await site.moto.allow("pipeline", without(documentedPolicies(site.name)[0] as Policy, action));
        if (action === "secretsmanager:DeleteSecret") {
          // Its values are dead by then: no reason to fail a teardown.
          await wholeLife(site.open());
          assert.match(
            site.lines.warnings.join(),
            /could not be scheduled for deletion.*Allow secretsmanager:DeleteSecret/,
          );
        } else {
          await refused(
            wholeLife(site.open()),
            new RegExp(`Allow ${action} on arn:aws:secretsmanager:.*:secret:${site.name}`),
          );
        }
      }
    });

    it("a pipeline cannot touch another secret", async () => {
      await site.fresh();
      await refused(site.open({ name: "orders/other" }).load(), /Allow secretsmanager:\w+ on .*:secret:orders\/other/);
    });

    it("a consumer reads the secret, and neither reads the companion nor changes anything", async () => {
      await site.fresh();
      await promoteNew(site.open(), 1);
      const { SecretString } = await site.consumer.getSecretValue({ SecretId: site.name });
      assert.equal(SecretString, '{"password":"secret-1"}');
      const denied = { name: "AccessDeniedException" };
      const SecretId = `${site.name}-rotation`;
      for (const VersionStage of ["AWSCURRENT", "rotation-ledger", `rotation-v1`])
        await assert.rejects(site.consumer.getSecretValue({ SecretId, VersionStage }), denied);
      await assert.rejects(site.consumer.describeSecret({ SecretId }), denied);
      await assert.rejects(site.consumer.putSecretValue({ SecretId: site.name, SecretString: "mine" }), denied);
    });

    it("a consumer with a careless wildcard would read the companion: the warning of the page is true", async () => {
      await site.fresh();
      await promoteNew(site.open(), 1);
      const Resource = `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${site.name}-*`;
      await site.moto.allow("consumer", {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource }],
      });
      const SecretId = `${site.name}-rotation`;
      await assert.doesNotReject(site.consumer.getSecretValue({ SecretId, VersionStage: "rotation-ledger" }));
    });
  });

  describe("with credentials", () => {
    const folders: string[] = [];
    after(async () => {
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    });

    async function profileOf(key: AccessKey, region?: string): Promise<Record<string, string>> {
      // The SDK reads each file once.
      const folder = await mkdtemp(join(tmpdir(), "rotation-aws-"));
      folders.push(folder);
      const file = join(folder, "credentials");
      const lines = [`aws_access_key_id=${key.accessKeyId}`, `aws_secret_access_key=${key.secretAccessKey}`];
      await writeFile(file, `[staging]\n${lines.join("\n")}\n`);
      const config = join(folder, "config");
      await writeFile(config, region === undefined ? "" : `[profile staging]\nregion = ${region}\n`);
      return { AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: config };
    }

    it("that do not exist says where the SDK looked", async () => {
      await site.fresh();
      site.as(undefined);
      await refused(site.open().load(), /There are no AWS credentials .*AWS_ACCESS_KEY_ID.*aws sso login/);
    });

    it("that AWS does not know, or with the wrong secret key, says so", async () => {
      await site.fresh();
      site.as({ ...site.pipelineKey, accessKeyId: "AKIAIOSFODNN7EXAMPLE" });
      await refused(site.open().load(), /does not know the credentials.*UnrecognizedClientException/);
      site.as({ ...site.pipelineKey, secretAccessKey: "wrong" });
      await refused(site.open().load(), /signature is wrong \(InvalidSignatureException\).*clock/);
    });

    it("of a profile, with its region, does as with those of the environment", async () => {
      await site.fresh();
      site.as(undefined, await profileOf(site.pipelineKey, REGION));
      const store = site.open({ profile: "staging", region: undefined });
      await promoteNew(store, 1);
      assert.equal((await store.load()).current?.version, 1);
      assert.equal(store.location, `aws:staging@default/${site.name} at ${site.moto.endpoint}`);
    });

    it("of a profile that does not exist says which", async () => {
      await site.fresh();
      site.as(undefined, await profileOf(site.pipelineKey));
      await refused(site.open({ profile: "production" }).load(), /no AWS credentials .*profile "production"/);
    });

    it("says that a region is missing", async () => {
      await site.fresh();
      await refused(site.open({ region: undefined }).load(), /has no region: .*AWS_REGION.*Set `region`/);
      site.as(site.pipelineKey, { AWS_REGION: REGION });
      await assert.doesNotReject(site.open({ region: undefined }).load());
    });

    describe("of a role that is assumed", () => {
      const roleArn = `arn:aws:iam::${ACCOUNT}:role/rotation`;
      let key: AccessKey;

      before(async () => {
        key = await site.moto.user("ci");
        const trust = {
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Allow",
              Action: "sts:AssumeRole",
              Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/ci` },
              Condition: { StringEquals: { "sts:ExternalId": "orders" } },
            },
          ],
        };
        await site.moto.iam("CreateRole", { RoleName: "rotation", AssumeRolePolicyDocument: JSON.stringify(trust) });
        await site.moto.allow("ci", {
          Version: "2012-10-17",
          Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Resource: roleArn }],
        });
      });

      beforeEach(async () => {
        await site.fresh();
        site.as(key, { AWS_ENDPOINT_URL_STS: site.moto.endpoint });
        await site.moto.iam("PutRolePolicy", {
          RoleName: "rotation",
          PolicyName: "only",
          PolicyDocument: JSON.stringify(documentedPolicies(site.name)[0]),
        });
      });

      it("does all it has to, while the user alone may do nothing", async () => {
        await refused(site.open().load(), /Allow secretsmanager:\w+ on/);
        const store = site.open({ assumeRole: { roleArn, externalId: "orders" } });
        await wholeLife(store);
        assert.equal(store.location, `aws:${ACCOUNT}@${REGION}/${site.name} at ${site.moto.endpoint}`);
      });

      it("starts from a profile where one is named", async () => {
        site.as(undefined, { ...(await profileOf(key)), AWS_ENDPOINT_URL_STS: site.moto.endpoint });
        await promoteNew(site.open({ profile: "staging", assumeRole: { roleArn, externalId: "orders" } }), 1);
      });

      it("says what is missing where the role cannot be assumed", async () => {
        const open = (externalId: string) => site.open({ assumeRole: { roleArn, externalId } });
        await refused(
          open("another").load(),
          /role\/rotation .*could not be assumed \(AccessDenied\).*sts:AssumeRole.*trust policy.*externalId/,
        );
        site.as(undefined, { AWS_ENDPOINT_URL_STS: site.moto.endpoint });
        await refused(open("orders").load(), /There are no AWS credentials/);
      });

      it("says that STS cannot be reached", async () => {
        site.as(key, { AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" });
        const store = site.open({ assumeRole: { roleArn, externalId: "orders" } });
        await assert.rejects(store.load(), (error: Error) => {
          assert.ok(error instanceof UnreachableError);
          assert.match(error.message, /credentials for .* could not be got: connection refused \(ECONNREFUSED\)/);
          return true;
        });
      });
    });
  });

  it("says which package to install where the SDK is missing", async () => {
    const missing = () => Promise.reject(Object.assign(new Error("gone"), { code: "ERR_MODULE_NOT_FOUND" }));
    await assert.rejects(loadSecretsManager(missing), /Run: npm install @aws-sdk\/client-secrets-manager/);
    await assert.rejects(
      loadCredentials("store awsSecretsManager", missing),
      /Run: npm install @aws-sdk\/credential-providers/,
    );
    await assert.rejects(
      loadCredentials("store awsSecretsManager", () => Promise.reject(new Error("broken"))),
      /broken/,
    );
  });

  it("has no secret in the log", async () => {
    await site.fresh();
    await wholeLife(site.open());
    await site.open().putVersion(makeStored(4));
    assert.ok(!/secret-\d/.test([...site.lines.infos, ...site.lines.warnings].join()));
  });
});
