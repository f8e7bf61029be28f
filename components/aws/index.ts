/** `pulumi-rotating-secrets/aws`: loads `@pulumi/aws`, which the main entry does not. */
export { AwsSecret, type AwsSecretArgs } from "./awsSecret";
export { type AwsReferences } from "./references";
export { lambdaPolicy, type LambdaPolicyArgs } from "./lambdaPolicy";
export { ecsConsumerPolicy, type EcsPlace } from "./policies";
