/** `pulumi-rotating-secrets/gcp`: loads `@pulumi/gcp`, which the main entry does not. */
export { CloudRunAccess, type CloudRunAccessArgs } from "./cloudRunAccess";
export { GcpSecret, type GcpSecretArgs } from "./gcpSecret";
export { CLOUD_RUN_PERMISSIONS, CLOUD_RUN_RECORD_PERMISSIONS, PIPELINE_PERMISSIONS } from "./permissions";
export { type GcpReferences } from "./references";
