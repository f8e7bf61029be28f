/**
 * Errors as Lambda's REST API gives them: a status, the name in a header, a message in the body. Which operation gives
 * which is in the section "Errors" of its page at https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html.
 */

const STATUS = {
  /** https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html */
  AccessDeniedException: 403,
  /** https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html#API_PublishVersion_Errors */
  CodeStorageExceededException: 400,
  InvalidParameterValueException: 400,
  PreconditionFailedException: 412,
  ResourceConflictException: 409,
  ResourceNotFoundException: 404,
  ServiceException: 500,
  TooManyRequestsException: 429,
  /** https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html */
  ProvisionedConcurrencyConfigNotFoundException: 404,
  /** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors */
  KMSAccessDeniedException: 502,
  KMSDisabledException: 502,
  ResourceNotReadyException: 502,
} as const;

export type LambdaErrorCode = keyof typeof STATUS;

export class LambdaError extends Error {
  constructor(
    readonly code: LambdaErrorCode,
    message: string,
  ) {
    super(message);
  }

  get status(): number {
    return STATUS[this.code];
  }
}
