/** What Vault's answers mean where they are not what was asked for: errors that say what to do. */
import { ConfigurationError, type RotationError, StateError, UnreachableError } from "../../lifecycle/errors";

/** What a request is, in the words of errors. */
export interface Purpose {
  /** Within Vault, without `/v1/`: `secret/data/orders/db`. */
  readonly path: string;
  /** What a policy must allow on it, as errors name it: `"read"`, or `"create" and "update"`. */
  readonly capability: string;
  /** Whether what is sent holds a secret value. Nothing that Vault says of it is then repeated. */
  readonly secret?: boolean;
  /** Whether it changes something. */
  readonly writes: boolean;
}

/** The words of one adapter for what it uses of Vault. */
export interface VaultUse {
  /** Who asks, as a sentence begins: `The store vault:https://vault.internal:8200/secret/orders`. */
  readonly user: string;
  /** The page that has the policies: `docs/stores/vault.md`. */
  readonly policies: string;
  /** Where to look when there is nothing at a path: a sentence. */
  readonly absent: string;
  /** What is needed where Vault does not know a request: a sentence. */
  readonly needs: string;
}

/** A failure that may be over in a moment: the call is made again. */
export class PassingFailure extends UnreachableError {
  /** How long the server asked to wait at least, in ms. */
  readonly waitMs: number;

  constructor(message: string, waitMs = 0) {
    super(message);
    this.waitMs = waitMs;
  }
}

/** From HashiCorp's list: https://developer.hashicorp.com/vault/api-docs#http-status-codes */
const PASSING: Readonly<Record<number, string>> = {
  412: "a standby of Vault that does not have the newest data yet answered (HTTP 412)",
  429: "Vault's rate limit was exceeded, or a standby answered (HTTP 429)",
  472: "a secondary for disaster recovery answered, which serves nobody (HTTP 472)",
  473: "a performance standby answered that cannot serve this (HTTP 473)",
};

/** Where a rate limit does not say how long to wait: quotas count by the second unless they say otherwise. */
const RATE_LIMIT_WAIT_MS = 1000;
/** So long a wait that a server asks for is respected; a longer one is not waited for to its end. */
const LONGEST_WAIT_MS = 30_000;

/** What to do after a failure of which nobody knows how far the request came. */
export function stateAfter({ writes }: Purpose): string {
  return writes
    ? "Whether this was still done is not known. Run again: what was done is found, and what was not is done."
    : "Nothing was changed. Run again when it can be reached.";
}

/** @returns the error of an answer that says nothing of what was asked, or `undefined` for any other answer. */
export function serverFailure(
  where: string,
  purpose: Purpose,
  answer: { readonly status: number; readonly errors: readonly string[]; readonly retryAfter: string | undefined },
): RotationError | undefined {
  const { status, errors } = answer;
  const waitMs = waitOf(status, answer.retryAfter);
  const passing = PASSING[status];
  if (passing !== undefined) {
    return new PassingFailure(`${where}: ${passing}. ${stateAfter({ ...purpose, writes: false })}`, waitMs);
  }
  if (errors.some((text) => text.includes("Upgrading from non-versioned to versioned"))) {
    return new PassingFailure(
      `${where}: the mount is being made ready for KV version 2. Nothing was changed. Run again in a minute.`,
    );
  }
  if (status < 500) return undefined;
  if (errors.some((text) => text.includes("Vault is sealed"))) {
    return new UnreachableError(
      `${where}: Vault is sealed (HTTP ${status}). Nothing was changed. Unseal it (vault operator unseal), then run again.`,
    );
  }
  if (errors.some((text) => text.includes("too large"))) {
    return new ConfigurationError(
      `${where}: what was sent is larger than the storage of this Vault takes (HTTP ${status}). Nothing was changed. Raise ` +
        "max_entry_size of its integrated storage, or store less.",
    );
  }
  return new PassingFailure(
    `${where}: Vault failed with HTTP ${status}${quoted(purpose, errors)}. ${stateAfter(purpose)}`,
    waitMs,
  );
}

/** The error of an answer that means that what was asked for cannot be had. */
export function refusal(
  where: string,
  purpose: Purpose,
  { status, errors }: { readonly status: number; readonly errors: readonly string[] },
  use: VaultUse,
): RotationError {
  const said = quoted(purpose, errors);
  const { path, capability } = purpose;
  if (status === 403) {
    return isDeadToken(errors)
      ? new ConfigurationError(
          `${where}: Vault does not know the token: it has expired, was revoked, or is of another namespace or server. ` +
            "Nothing was changed. Give a token that is valid and run again.",
        )
      : new ConfigurationError(
          `${where}: permission denied. The token's policies must allow ${capability} on the path "${path}" (and the ` +
            "mount and the namespace must exist: Vault says the same when they do not). Nothing was changed. The policy " +
            `that a rotation needs is in ${use.policies}. Add it and run again.`,
        );
  }
  if (status === 404) {
    return new ConfigurationError(
      `${where}: Vault has nothing at "${path}" (HTTP 404${said}). Nothing was changed. ${use.absent}`,
    );
  }
  if (status === 405) {
    return new ConfigurationError(
      `${where}: Vault does not support this request on "${path}" (HTTP 405${said}). ${use.needs} ` +
        "Nothing was changed.",
    );
  }
  if (status === 413) {
    return new ConfigurationError(
      `${where}: what was sent to "${path}" is larger than this Vault accepts (HTTP 413). Nothing was changed. Raise ` +
        "max_request_size of its listener, or store less.",
    );
  }
  return new StateError(
    `${where}: Vault refused the request on "${path}" with HTTP ${status}${said}. Nothing was changed. Vault's own log ` +
      "has more; correct the cause and run again.",
  );
}

function waitOf(status: number, retryAfter: string | undefined): number {
  const seconds = Number(retryAfter);
  if (retryAfter !== undefined && seconds >= 0) return Math.min(LONGEST_WAIT_MS, seconds * 1000);
  // Not all at the same moment.
  return status === 429 ? RATE_LIMIT_WAIT_MS * (1 + Math.random()) : 0;
}

export function isDeadToken(errors: readonly string[]): boolean {
  return errors.some((text) => text.includes("invalid token"));
}

function quoted({ secret }: Purpose, errors: readonly string[]): string {
  const text = errors.join("; ").replace(/\s+/g, " ").trim().slice(0, 300);
  return secret || text === "" ? "" : `: ${text}`;
}
