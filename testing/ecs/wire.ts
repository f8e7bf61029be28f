/** The parts of ECS's messages that the emulator knows; the others it keeps and gives back as they were sent. */

/** Times go as seconds since the epoch: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html */
export type Seconds = number;

export interface NameValue {
  readonly name: string;
  readonly value: string;
}

export interface NameValueFrom {
  readonly name: string;
  readonly valueFrom: string;
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html */
export interface ContainerDefinition {
  readonly name: string;
  readonly image?: string;
  /** Absent: it is. */
  readonly essential?: boolean;
  readonly entryPoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly NameValue[];
  readonly secrets?: readonly NameValueFrom[];
  readonly [other: string]: unknown;
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html */
export interface TaskDefinitionInput {
  readonly family: string;
  readonly containerDefinitions: readonly ContainerDefinition[];
  readonly tags?: readonly Tag[];
  readonly [other: string]: unknown;
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html */
export interface TaskDefinition extends TaskDefinitionInput {
  readonly taskDefinitionArn: string;
  readonly revision: number;
  readonly status: "ACTIVE" | "INACTIVE";
}

export type Controller = "ECS" | "CODE_DEPLOY" | "EXTERNAL";
export type RolloutState = "IN_PROGRESS" | "COMPLETED" | "FAILED";

/** A message with the members of any request; what is missing is `undefined`. */
export interface Request {
  readonly cluster?: string;
  readonly service?: string;
  readonly services?: readonly string[];
  readonly taskDefinition?: string;
  readonly forceNewDeployment?: boolean;
  readonly desiredCount?: number;
  readonly familyPrefix?: string;
  readonly status?: string;
  readonly sort?: "ASC" | "DESC";
  readonly serviceName?: string;
  readonly desiredStatus?: string;
  readonly tasks?: readonly string[];
  readonly include?: readonly string[];
  readonly maxResults?: number;
  readonly nextToken?: string;
  readonly resourceArn?: string;
  readonly tags?: readonly Tag[];
  readonly tagKeys?: readonly string[];
  readonly family?: string;
  readonly containerDefinitions?: readonly ContainerDefinition[];
  readonly [other: string]: unknown;
}
