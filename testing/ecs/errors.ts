/** The errors of ECS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html and of each operation. */

export type Code =
  | "AccessDeniedException"
  | "ClientException"
  | "ClusterNotFoundException"
  | "InvalidParameterException"
  | "ServerException"
  | "ServiceNotActiveException"
  | "ServiceNotFoundException"
  | "ThrottlingException"
  | "UnknownOperationException"
  | "UnrecognizedClientException";

export class EcsError extends Error {
  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message);
  }

  get status(): number {
    return this.code === "ServerException" ? 500 : 400;
  }
}
