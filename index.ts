/**
 * Rotating secrets as Pulumi resources. Nothing heavy is loaded here: what acts runs in the provider process.
 */
export {
  auditFile,
  fileStore,
  secretFrom,
  type Descriptor,
  type DurationText,
  type RetirementArgs,
  type RotationArgs,
  type RotationEventArgs,
  type ScheduleArgs,
  type SecretSource,
  type UnconfirmedArgs,
} from "./components/options";
export { check } from "./components/checks";
export { consumer } from "./components/consumers";
export { Rollout, type CheckResult, type RolloutArgs } from "./components/rollout";
export {
  RotatingAwsAccessKey,
  type AwsIamConnection,
  type RotatingAwsAccessKeyArgs,
} from "./components/rotatingAwsAccessKey";
export {
  RotatingVaultAppRoleSecretId,
  type RotatingVaultAppRoleSecretIdArgs,
} from "./components/rotatingVaultAppRoleSecretId";
export {
  RotatingPostgresRole,
  type PostgresConnectionArgs,
  type RotatingPostgresRoleArgs,
} from "./components/rotatingPostgresRole";
export {
  awsSecretsManager,
  gcpSecretManager,
  kubernetesSecret,
  vaultKv,
  type AwsConnection,
  type AwsSecretsManagerOptions,
  type FieldsFormat,
  type GcpConnection,
  type GcpReplication,
  type GcpSecretManagerOptions,
  type KubernetesConnection,
  type KubernetesSecretOptions,
  type PayloadFormat,
  type VaultAuth,
  type VaultConnection,
  type VaultKvOptions,
} from "./components/stores";
export { RotatingSecret, type RotatingSecretArgs, type SecretLink } from "./components/rotatingSecret";
