export { gcpSecretManagerOptions, type GcpSecretManagerOptions } from "./options";
export { createGcpSecretManagerStore } from "./store";
