/** Conformance suites for adapters: what every credential kind, store and audit sink does. */
export type { ConformanceCase } from "./conformance";
export * from "./auditConformance";
export * from "./consumerConformance";
export * from "./kindConformance";
export * from "./storeConformance";
export {
  startGcpSecretManager,
  type EmulatedSecret as GcpEmulatedSecret,
  type Fault as GcpFault,
  type GcpSecretManagerEmulator,
  type Grants as GcpGrants,
} from "./gcpSecretManager";
export {
  startLambda,
  type EmulatedLambdaFunction,
  type LambdaCall,
  type LambdaDoor,
  type LambdaEmulator,
  type LambdaFault,
  type LambdaInvocation,
  type LambdaSettings,
  type NewLambdaFunction,
} from "./lambda";
export { startCloudWatch, type CloudWatchEmulator, type CloudWatchFault, type CloudWatchSample } from "./cloudWatch";
export {
  ECS_CHANGES,
  ECS_OPERATIONS,
  startEcs,
  type EcsDoor,
  type EcsEmulator,
  type EcsEmulatorOptions,
  type EcsFault,
  type EcsOperation,
  type EcsService,
  type EcsTask,
  type EcsTaskDefinition,
  type ResolvedSecret,
  type SecretReference,
  type SecretsSource,
} from "./ecs";
