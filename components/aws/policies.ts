/** The IAM policies, as data. */

/** A statement of an IAM policy. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** What the policies are about, by ARN. */
export interface AwsPlace {
  /** The secret that readers read. */
  readonly secret: string;
  /** The one with the ledger and our own record of the versions. */
  readonly companion: string;
  /** The KMS key of both; absent: the account's `aws/secretsmanager`, which needs no permission. */
  readonly key?: string | undefined;
}

/** What the store does with the two secrets (docs/stores/aws.md) once they are there: it makes and deletes neither. */
const PIPELINE_ACTIONS = [
  "secretsmanager:DescribeSecret",
  "secretsmanager:GetSecretValue",
  "secretsmanager:PutSecretValue",
  "secretsmanager:UpdateSecretVersionStage",
];
/** Most readers get by with the value; the CSI driver's provider looks at the secret first. */
const CONSUMER_ACTIONS = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];

/** For the role that runs `pulumi`. */
export function pipelinePolicy({ secret, companion, key }: AwsPlace): string {
  const secrets = [secret, companion];
  return documentOf(
    { Sid: "Secrets", Effect: "Allow", Action: PIPELINE_ACTIONS, Resource: secrets },
    key === undefined ? undefined : keyStatement(key, ["kms:Decrypt", "kms:GenerateDataKey"], secrets),
  );
}

/** For readers: the one secret, and nothing that writes. */
export function consumerPolicy({ secret, key }: Pick<AwsPlace, "secret" | "key">): string {
  return documentOf(
    { Sid: "Secret", Effect: "Allow", Action: CONSUMER_ACTIONS, Resource: [secret] },
    key === undefined ? undefined : keyStatement(key, ["kms:Decrypt"], [secret]),
  );
}

/**
 * Only through Secrets Manager, and only for these secrets
 * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html).
 */
function keyStatement(key: string, actions: readonly string[], secrets: readonly string[]): Statement {
  const { region, suffix } = partsOf(secrets[0] ?? "");
  return {
    Sid: "Key",
    Effect: "Allow",
    Action: actions,
    Resource: [key],
    Condition: {
      StringEquals: {
        "kms:ViaService": `secretsmanager.${region}.${suffix}`,
        "kms:EncryptionContext:SecretARN": secrets,
      },
    },
  };
}

/** @throws Error where it is no ARN. */
export function partsOf(arn: string): { readonly region: string; readonly suffix: string } {
  const [, partition, , region] = arn.split(":");
  if (!arn.startsWith("arn:") || !region) throw new Error(`${JSON.stringify(arn)} is no ARN with a region.`);
  return { region, suffix: partition === "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com" };
}

/** Whether a KMS key is named by what a policy may name. */
export function isKeyArn(key: string): boolean {
  return /^arn:[^:]+:kms:[^:]+:[^:]*:key\//.test(key);
}

/** What `consumer.lambda` moves. */
export interface LambdaPlace {
  /** The function's ARN, without a version or an alias. */
  readonly functionArn: string;
  /** The KMS key of the function's variables; absent: AWS's own, which needs no permission. */
  readonly key?: string | undefined;
  /** Whether it may invoke versions, for `probe`. */
  readonly probe?: boolean | undefined;
  /** Whether it may delete versions, for `keepVersions`. Never the function. */
  readonly keepVersions?: boolean | undefined;
}

const LAMBDA_ACTIONS = [
  "lambda:GetAlias",
  "lambda:GetFunctionConfiguration",
  "lambda:GetProvisionedConcurrencyConfig",
  "lambda:ListVersionsByFunction",
  "lambda:PublishVersion",
  "lambda:UpdateAlias",
  "lambda:UpdateFunctionConfiguration",
];

/** For the role that runs `pulumi`, where it moves a function of Lambda (docs/consumers/lambda.md). */
export function lambdaPolicyDocument({ functionArn, key, probe, keepVersions }: LambdaPlace): string {
  const { region, suffix } = partsOf(functionArn);
  const versions = `${functionArn}:*`;
  return documentOf(
    { Sid: "Function", Effect: "Allow", Action: LAMBDA_ACTIONS, Resource: [functionArn, versions] },
    probe === true
      ? { Sid: "Probe", Effect: "Allow", Action: ["lambda:InvokeFunction"], Resource: [versions] }
      : undefined,
    keepVersions === true
      ? { Sid: "Aliases", Effect: "Allow", Action: ["lambda:ListAliases"], Resource: [functionArn] }
      : undefined,
    keepVersions === true
      ? { Sid: "Versions", Effect: "Allow", Action: ["lambda:DeleteFunction"], Resource: [versions] }
      : undefined,
    key === undefined
      ? undefined
      : {
          Sid: "Key",
          Effect: "Allow",
          // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
          Action: ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"],
          Resource: [key],
          Condition: { StringEquals: { "kms:ViaService": `lambda.${region}.${suffix}` } },
        },
  );
}

function documentOf(...statements: (Statement | undefined)[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements.filter((one) => one !== undefined) });
}

/** A service of Amazon ECS that the consumer `ecs` moves (docs/consumers/ecs.md). */
export interface EcsPlace {
  /** Its ARN, with the cluster in it. */
  readonly service: string;
  /** With `taskDefinition: "revise"`. Absent: the task definition is kept. */
  readonly revises?: {
    /** The family of its task definition. */
    readonly family: string;
    /** The ARNs of the task role and the execution role, as far as the task definition has them. */
    readonly roles?: readonly string[];
  };
}

/** For the role that runs `pulumi`, beside the policy of the store. */
export function ecsConsumerPolicy({ service, revises }: EcsPlace): string {
  const match = /^(arn:[^:]+:ecs:[^:]+:[^:]+):service\/([^/]+)\/[^/]+$/.exec(service);
  if (!match) throw new Error(`${JSON.stringify(service)} is no ARN of an ECS service with its cluster in it.`);
  const [, prefix, cluster] = match;
  const roles = revises?.roles ?? [];
  const own = ["ecs:DescribeServices", "ecs:UpdateService", ...(revises ? [] : ["ecs:TagResource"])];
  // What has no resource of its own, or none yet:
  // https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
  const definitions = ["ecs:DescribeTaskDefinition"];
  if (revises) definitions.push("ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition");
  return documentOf(
    { Sid: "Service", Effect: "Allow", Action: own, Resource: [service] },
    {
      Sid: "ListTasks",
      Effect: "Allow",
      Action: ["ecs:ListTasks"],
      Resource: ["*"],
      Condition: { ArnEquals: { "ecs:cluster": `${prefix}:cluster/${cluster}` } },
    },
    { Sid: "Tasks", Effect: "Allow", Action: ["ecs:DescribeTasks"], Resource: [`${prefix}:task/${cluster}/*`] },
    { Sid: "TaskDefinitions", Effect: "Allow", Action: definitions, Resource: ["*"] },
    revises && {
      Sid: "TaskDefinitionTags",
      Effect: "Allow",
      Action: ["ecs:TagResource"],
      Resource: [`${prefix}:task-definition/${revises.family}:*`],
    },
    roles.length === 0
      ? undefined
      : {
          Sid: "Roles",
          Effect: "Allow",
          Action: ["iam:PassRole"],
          Resource: roles,
          Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
        },
  );
}
