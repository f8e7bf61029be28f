/** Conformance suites for adapters: what every credential kind, store and audit sink does. */
export type { ConformanceCase } from "./conformance";
export * from "./auditConformance";
export * from "./kindConformance";
export * from "./storeConformance";
