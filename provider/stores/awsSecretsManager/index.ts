export { awsSecretsManagerOptions, type AwsSecretsManagerOptions } from "./options";
export { createAwsSecretsManagerStore } from "./store";
