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
