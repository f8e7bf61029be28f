import * as pulumi from "@pulumi/pulumi";

/** Who owns a secret, as people name it: `organization/project/stack`. */
export function stackName(): string {
  return `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
}
