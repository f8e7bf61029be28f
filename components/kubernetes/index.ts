/** `pulumi-rotating-secrets/kubernetes`: loads `@pulumi/kubernetes`, which the main entry does not. */
export {
  KubernetesSecretStore,
  type KubernetesSecretStoreArgs,
  type KubernetesSubject,
  type NamespaceToMake,
} from "./kubernetesSecretStore";
export { secretNameOf } from "./secretNameOf";
