export { kubernetesSecretStoreOptions, type KubernetesSecretStoreOptions } from "./options";
export { createKubernetesSecretStore } from "./store";
