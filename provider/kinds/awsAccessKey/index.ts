export { createAwsAccessKeyKind } from "./kind";
export { awsAccessKeyOptions, inputPolicy, type AwsAccessKeyOptions } from "./options";
