import * as pulumi from "@pulumi/pulumi";
import { RepositoryIamMember } from "@pulumi/gcp/artifactregistry";
import { ServiceIamMember } from "@pulumi/gcp/cloudrunv2";
import { IAMCustomRole } from "@pulumi/gcp/projects";
import { SecretIamMember } from "@pulumi/gcp/secretmanager";
import { IAMMember } from "@pulumi/gcp/serviceaccount";
import {
  CLOUD_RUN_IDENTITY_ROLE,
  CLOUD_RUN_IMAGE_ROLE,
  CLOUD_RUN_PERMISSIONS,
  CLOUD_RUN_RECORD_PERMISSIONS,
  CLOUD_RUN_RECORD_ROLE,
  CONSUMER_ROLE,
  roleIdOf,
} from "./permissions";

export interface CloudRunAccessArgs {
  /** The project of the service, by its id. */
  readonly project: pulumi.Input<string>;
  readonly region: pulumi.Input<string>;
  /** The id of the service. */
  readonly service: pulumi.Input<string>;
  /** Who runs `pulumi`, such as `serviceAccount:rotation@PROJECT.iam.gserviceaccount.com`. */
  readonly pipelineMember: pulumi.Input<string>;
  /** The account that the service runs as, by its e-mail address. */
  readonly serviceAccount: pulumi.Input<string>;
  /** The repository of its image in Artifact Registry. @default none: the image is public, or lies elsewhere */
  readonly repository?: {
    readonly project?: pulumi.Input<string>;
    readonly location: pulumi.Input<string>;
    readonly repository: pulumi.Input<string>;
  };
  /**
   * The secrets that it uses, by a name for the resources. The pipeline may then look at the record of each,
   * `<secret>-rotation`, and the service's account read its versions. @default none: `GcpSecret` has given both
   */
  readonly secrets?: Readonly<
    Record<string, { readonly secret: pulumi.Input<string>; readonly project?: pulumi.Input<string> }>
  >;
}

/** What the consumer `cloudRun` needs to move one service from version to version, and no more. */
export class CloudRunAccess extends pulumi.ComponentResource {
  readonly role: IAMCustomRole;

  constructor(name: string, args: CloudRunAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("rotation:gcp:CloudRunAccess", name, {}, opts);
    const parent = { parent: this };
    const { project, region: location, service, pipelineMember: member, serviceAccount, repository } = args;
    const secrets = Object.entries(args.secrets ?? {});
    this.role = this.makeRole(name, args, "rolls", CLOUD_RUN_PERMISSIONS);
    new ServiceIamMember(name, { project, location, name: service, role: this.role.name, member }, parent);
    const account = pulumi.interpolate`projects/-/serviceAccounts/${serviceAccount}`;
    new IAMMember(name, { serviceAccountId: account, role: CLOUD_RUN_IDENTITY_ROLE, member }, parent);
    if (repository !== undefined)
      new RepositoryIamMember(name, { project, ...repository, role: CLOUD_RUN_IMAGE_ROLE, member }, parent);

    // A role of one project cannot be given in another.
    const isHere = secrets.some(([, secret]) => secret.project === undefined);
    const reads = isHere ? this.makeRole(`${name}-record`, args, "record", CLOUD_RUN_RECORD_PERMISSIONS) : undefined;
    for (const [key, { secret, project: other }] of secrets) {
      const place = { project: other ?? project };
      const role = other === undefined && reads !== undefined ? reads.name : CLOUD_RUN_RECORD_ROLE;
      const record = pulumi.interpolate`${secret}-rotation`;
      const reader = pulumi.interpolate`serviceAccount:${serviceAccount}`;
      new SecretIamMember(`${name}-record-${key}`, { ...place, secretId: record, role, member }, parent);
      const uses = { ...place, secretId: secret, role: CONSUMER_ROLE, member: reader };
      new SecretIamMember(`${name}-read-${key}`, uses, parent);
    }
    this.registerOutputs();
  }

  private makeRole(
    name: string,
    { project, service }: CloudRunAccessArgs,
    what: "rolls" | "record",
    permissions: readonly string[],
  ): IAMCustomRole {
    return new IAMCustomRole(
      name,
      {
        project,
        roleId: pulumi.output(service).apply((text) => roleIdOf(`${what}_${text}`.replace(/-/g, "_"))),
        title: pulumi.interpolate`${what === "rolls" ? "Rolls" : "Looks at the secrets of"} ${service}`.apply((title) =>
          title.slice(0, 100),
        ),
        description: "What pulumi-rotating-secrets does with a service on Cloud Run.",
        permissions: [...permissions],
      },
      { parent: this },
    );
  }
}
