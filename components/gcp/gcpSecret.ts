import * as pulumi from "@pulumi/pulumi";
import { IAMCustomRole } from "@pulumi/gcp/projects";
import { RegionalSecret, RegionalSecretIamMember, Secret, SecretIamMember } from "@pulumi/gcp/secretmanager";
import { fieldNames } from "../../provider/lifecycle/payload";
import { withoutAbsent } from "../absent";
import type { Descriptor } from "../options";
import { gcpSecretManager, type GcpConnection, type GcpReplication, type PayloadFormat } from "../stores";
import { CONSUMER_ROLE, PIPELINE_PERMISSIONS, roleIdOf } from "./permissions";
import { gcpReferences, type GcpReferences } from "./references";

export interface GcpSecretArgs {
  /** The project's id. */
  readonly project: pulumi.Input<string>;
  /** The secret that readers read; ours is `<name>-rotation`. Up to 246 characters: letters, digits, `_` and `-`. */
  readonly name: pulumi.Input<string>;
  /** The region of a regional secret. @default none, a global one */
  readonly location?: string;
  /**
   * What is taken as it is instead of made. `"secret"`: the secret `<name>`, such as one that applications read already.
   * `true`: that and `<name>-rotation`. @default neither exists
   */
  readonly existing?: true | "secret";
  /** Of a global secret: wherever Google likes, or a list of regions. It cannot be changed later. @default "automatic" */
  readonly replication?: GcpReplication;
  /** What readers find in `latest` and in the alias `current`. @default "fields", a JSON object of the value's fields */
  readonly format?: pulumi.Input<PayloadFormat>;
  /** How the provider process reaches Google Cloud; the resources are made by the provider `gcp` of the program. */
  readonly connection?: pulumi.Input<GcpConnection>;
  /**
   * A Cloud KMS key that encrypts both secrets, by its resource name. Google's service agent of Secret Manager needs
   * `roles/cloudkms.cryptoKeyEncrypterDecrypter` on it. Not with a list of regions, where each needs a key of its
   * own. @default Google's keys
   */
  readonly kmsKeyName?: pulumi.Input<string>;
  /** Of the secrets that are made. @default none */
  readonly labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * Who runs `pulumi`, such as `serviceAccount:rotation@PROJECT.iam.gserviceaccount.com`. Gets a role with the store's
   * permissions on the two secrets. @default nobody is given anything
   */
  readonly pipelineMember?: pulumi.Input<string>;
  /**
   * A role with `PIPELINE_PERMISSIONS` that exists, for projects with many secrets (a project has at most 300 roles of
   * its own): `projects/PROJECT/roles/ID`. @default a role is made, where there is a `pipelineMember`
   */
  readonly pipelineRole?: pulumi.Input<string>;
  /** Readers, by a name for the resource: `{ orders: "serviceAccount:orders@…" }`. @default none */
  readonly consumers?: Readonly<Record<string, pulumi.Input<string>>>;
}

/** The two secrets of one rotating secret in Google Cloud Secret Manager, and who may write and read them. */
export class GcpSecret extends pulumi.ComponentResource {
  /** For `store` of a rotating secret. Not known before the secrets are there. */
  readonly store: pulumi.Output<Descriptor>;
  /** The custom role, where it was made here. */
  readonly pipelineRole: IAMCustomRole | undefined;
  readonly references: pulumi.Output<GcpReferences>;

  constructor(name: string, args: GcpSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("rotation:gcp:GcpSecret", name, {}, opts);
    assertKeyFits(args);
    const secretName = pulumi.output(args.name);
    const companionName = secretName.apply((text) => `${text}-rotation`);
    const secret = args.existing ? secretName : this.makeSecret(name, secretName, args);
    const companion = args.existing === true ? companionName : this.makeSecret(`${name}-rotation`, companionName, args);

    const { pipelineMember: member } = args;
    this.pipelineRole = member !== undefined && args.pipelineRole === undefined ? this.makeRole(name, args) : undefined;
    const role = args.pipelineRole ?? this.pipelineRole?.name;
    const grants =
      member === undefined || role === undefined
        ? []
        : [
            this.grant(`${name}-pipeline`, args, { secretId: secret, role, member }),
            this.grant(`${name}-rotation-pipeline`, args, { secretId: companion, role, member }),
          ];
    for (const [consumer, reader] of Object.entries(args.consumers ?? {}))
      this.grant(`${name}-read-${consumer}`, args, { secretId: secret, role: CONSUMER_ROLE, member: reader });

    const { project, location, replication, format, connection } = args;
    const place = pulumi.output({ project, name: secretName });
    this.store = pulumi
      // With what the pipeline may do: it has to be there before the first version is made, and until the last one is
      // torn down.
      .all([pulumi.output({ format, connection }), place, secret, companion, grants])
      .apply(([{ format: chosen, connection: how }, where]) =>
        gcpSecretManager({ ...withoutAbsent({ ...how, format: chosen, location, replication }), ...where }),
      );
    this.references = pulumi
      .all([place, pulumi.output(format)])
      .apply(([where, chosen]) => gcpReferences({ ...where, location }, fieldNames(chosen) === null));
    this.registerOutputs();
  }

  /** @returns its id, once it is there */
  private makeSecret(name: string, secretId: pulumi.Output<string>, args: GcpSecretArgs): pulumi.Output<string> {
    const { project, location, kmsKeyName, labels, replication = "automatic" } = args;
    const key = kmsKeyName === undefined ? {} : { customerManagedEncryption: { kmsKeyName } };
    const shared = { project, secretId, ...withoutAbsent({ labels }) };
    // The store keeps its labels of versions there. After a refresh the engine would take them away.
    const options = { parent: this, ignoreChanges: ["annotations", "versionAliases"] };
    const made =
      location === undefined
        ? new Secret(
            name,
            {
              ...shared,
              replication:
                replication === "automatic"
                  ? { auto: key }
                  : { userManaged: { replicas: replication.map((region) => ({ location: region })) } },
            },
            options,
          )
        : new RegionalSecret(name, { ...shared, location, ...key }, options);
    return pulumi.all([made.secretId, made.id]).apply(([id]) => id);
  }

  private makeRole(name: string, { project, name: secret }: GcpSecretArgs): IAMCustomRole {
    return new IAMCustomRole(
      name,
      {
        project,
        roleId: pulumi.output(secret).apply(roleIdOf),
        title: pulumi.interpolate`Rotates ${secret}`.apply((title) => title.slice(0, 100)),
        description: "What pulumi-rotating-secrets does with a secret and its record.",
        permissions: [...PIPELINE_PERMISSIONS],
      },
      { parent: this },
    );
  }

  /** @returns its id */
  private grant(
    name: string,
    { project, location }: GcpSecretArgs,
    what: { secretId: pulumi.Input<string>; role: pulumi.Input<string>; member: pulumi.Input<string> },
  ): pulumi.Output<string> {
    return location === undefined
      ? new SecretIamMember(name, { project, ...what }, { parent: this }).id
      : new RegionalSecretIamMember(name, { project, location, ...what }, { parent: this }).id;
  }
}

function assertKeyFits({ kmsKeyName, replication = "automatic", location }: GcpSecretArgs): void {
  if (kmsKeyName !== undefined && replication !== "automatic" && location === undefined)
    throw new Error(
      "kmsKeyName encrypts one place, and replication names several, each of which needs a key of its own. Nothing was " +
        "made. Leave one of them out, or make the two secrets yourself and say existing: true.",
    );
  if (location !== undefined && replication !== "automatic")
    throw new Error(
      "A secret has either a location, which makes it regional, or a replication. Nothing was made. Leave one of them out.",
    );
}
