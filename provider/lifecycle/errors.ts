/**
 * The errors of the package. Each message says what was wrong, what is allowed, what state things are in now and what
 * to do next, and never contains a secret value.
 */
export class RotationError extends Error {
  override readonly name: string = "RotationError";
}

/** Somebody else changed what this run was about to change. Nothing was done. */
export class ConflictError extends RotationError {
  override readonly name = "ConflictError";
}

/** A named thing does not exist. */
export class NotFoundError extends RotationError {
  override readonly name = "NotFoundError";
}

/** An issuer, store or audit sink did not answer. Says nothing about the health of a credential. */
export class UnreachableError extends RotationError {
  override readonly name = "UnreachableError";
}

/** The step is not allowed in the state in which things are. */
export class StateError extends RotationError {
  override readonly name = "StateError";
}

/** What the user configured cannot work. */
export class ConfigurationError extends RotationError {
  override readonly name = "ConfigurationError";
}

/** A consumer could not be moved to a version. */
export class ConsumerError extends RotationError {
  override readonly name = "ConsumerError";
}

/** The run was told to end. Says nothing about a credential or a consumer. */
export class CancelledError extends RotationError {
  override readonly name = "CancelledError";
}
