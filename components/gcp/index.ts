/** `pulumi-rotating-secrets/gcp`: loads `@pulumi/gcp`, which the main entry does not. */
export { GcpSecret, type GcpSecretArgs } from "./gcpSecret";
export { PIPELINE_PERMISSIONS } from "./permissions";
export { type GcpReferences } from "./references";
