import * as pulumi from "@pulumi/pulumi";
import { Policy } from "@pulumi/aws/iam";
import { getKeyOutput } from "@pulumi/aws/kms";
import { getSecretOutput, Secret } from "@pulumi/aws/secretsmanager";
import { fieldNames } from "../../provider/lifecycle/payload";
import { withoutAbsent } from "../absent";
import type { Descriptor } from "../options";
import { awsSecretsManager, type AwsConnection, type PayloadFormat } from "../stores";
import { consumerPolicy, isKeyArn, partsOf, pipelinePolicy } from "./policies";
import { awsReferences, type AwsReferences } from "./references";

export interface AwsSecretArgs<Field extends string = string> {
  /** The secret that readers read; ours is `<name>-rotation`. Up to 503 characters: letters, digits and `/_+=.@-`. */
  readonly name: pulumi.Input<string>;
  /**
   * What is taken as it is instead of made. `"secret"`: the secret `<name>`, such as one that applications read already.
   * `true`: that and `<name>-rotation`. @default neither exists
   */
  readonly existing?: true | "secret";
  /** What readers find in `AWSCURRENT`. @default "fields", a JSON object of the value's fields */
  readonly format?: pulumi.Input<PayloadFormat>;
  /** How the provider process reaches AWS; the resources are made by the provider `aws` of the program. */
  readonly connection?: pulumi.Input<AwsConnection>;
  /** A customer managed KMS key for both secrets: ARN, id or alias. @default the account's `aws/secretsmanager` */
  readonly kmsKeyId?: pulumi.Input<string>;
  /** For how many days a secret that is deleted can be restored: 7 to 30, or 0 for not at all. @default 30 */
  readonly recoveryWindowDays?: pulumi.Input<number>;
  /** Of all resources that are made. @default none */
  readonly tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** A resource policy of `<name>`, JSON, such as for readers of another account. @default none */
  readonly resourcePolicy?: pulumi.Input<string>;
  /** Whether `pipelinePolicy` and `consumerPolicy` are made as IAM policies too, to attach by their ARNs. @default false */
  readonly iamPolicies?: boolean;
  /** Fields that `references` names one by one. @default those of the format; none with "fields" */
  readonly fields?: readonly Field[];
  /** How long the Lambda extension keeps what it has read, in seconds, up to 300. @default 300 */
  readonly lambdaTtlSeconds?: number;
}

/** The two secrets of one rotating secret in AWS Secrets Manager, and the policies of those who write and read them. */
export class AwsSecret<Field extends string = string> extends pulumi.ComponentResource {
  /** For `store` of a rotating secret. Not known before the secrets are there. */
  readonly store: pulumi.Output<Descriptor>;
  /** The ARN of the secret that readers read. */
  readonly arn: pulumi.Output<string>;
  readonly companionArn: pulumi.Output<string>;
  /** An IAM policy document for the role that runs `pulumi`, JSON. */
  readonly pipelinePolicy: pulumi.Output<string>;
  /** An IAM policy document for readers, JSON. */
  readonly consumerPolicy: pulumi.Output<string>;
  /** The two as IAM policies, with `iamPolicies`. */
  readonly policies: { readonly pipeline: Policy; readonly consumer: Policy } | undefined;
  readonly references: pulumi.Output<AwsReferences<Field>>;

  constructor(name: string, args: AwsSecretArgs<Field>, opts?: pulumi.ComponentResourceOptions) {
    super("rotation:aws:AwsSecret", name, {}, opts);
    const { format, connection, tags, kmsKeyId } = args;
    const secretName = pulumi.output(args.name);
    const companionName = secretName.apply((text) => `${text}-rotation`);
    const region = pulumi.output(connection).apply((how) => how?.region);
    const shared = {
      region,
      ...withoutAbsent({ kmsKeyId, recoveryWindowInDays: args.recoveryWindowDays, tags }),
    };
    const taken = (which: pulumi.Output<string>) => getSecretOutput({ name: which, region }, { parent: this }).arn;

    this.arn = args.existing
      ? taken(secretName)
      : new Secret(
          name,
          {
            name: secretName,
            description: "Rotated: readers take AWSCURRENT.",
            ...withoutAbsent({ policy: args.resourcePolicy }),
            ...shared,
          },
          { parent: this },
        ).arn;
    this.companionArn =
      args.existing === true
        ? taken(companionName)
        : new Secret(
            `${name}-rotation`,
            {
              name: companionName,
              description: "The record of a rotated secret. Applications do not read it.",
              ...shared,
            },
            { parent: this },
          ).arn;

    const key = this.keyArn(kmsKeyId, region);
    const place = pulumi.output({ secret: this.arn, companion: this.companionArn, key });
    this.pipelinePolicy = place.apply(pipelinePolicy);
    this.consumerPolicy = place.apply(consumerPolicy);
    this.policies = args.iamPolicies
      ? {
          pipeline: this.iamPolicy(`${name}-pipeline`, this.pipelinePolicy, tags),
          consumer: this.iamPolicy(`${name}-consumer`, this.consumerPolicy, tags),
        }
      : undefined;

    this.store = pulumi
      // With its policy: it has to be there before the first version is made, and until the last one is torn down.
      .all([pulumi.output({ format, connection, kmsKeyId }), secretName, place, this.policies?.pipeline.id])
      .apply(([{ format: chosen, connection: how, kmsKeyId: keyId }, called, { secret }]) =>
        awsSecretsManager({
          // The provider process may have another default region than the provider of the program.
          region: partsOf(secret).region,
          ...withoutAbsent({ ...how, format: chosen, kmsKeyId: keyId }),
          name: called,
        }),
      );
    this.references = pulumi.all([secretName, this.arn, pulumi.output(format)]).apply(([called, arn, chosen]) => {
      const fields = fieldNames(chosen);
      return awsReferences(
        { name: called, arn },
        // Without a list in the program, no name is promised to it.
        fields === null ? null : (args.fields ?? ((fields ?? []) as readonly Field[])),
        args.lambdaTtlSeconds ?? 300,
      );
    });
    this.registerOutputs();
  }

  /** A policy can name a key by its ARN only. */
  private keyArn(key: pulumi.Input<string> | undefined, region: pulumi.Output<string | undefined>) {
    if (key === undefined) return undefined;
    return pulumi
      .output(key)
      .apply((keyId) =>
        isKeyArn(keyId) ? pulumi.output(keyId) : getKeyOutput({ keyId, region }, { parent: this }).arn,
      );
  }

  private iamPolicy(name: string, policy: pulumi.Output<string>, tags: AwsSecretArgs["tags"]): Policy {
    return new Policy(name, { policy, ...withoutAbsent({ tags }) }, { parent: this });
  }
}
