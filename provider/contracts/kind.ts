/**
 * A credential kind: one type of credential and its issuer.
 *
 * Every method may be called again after a crash, with the same arguments, and must then come to the same result.
 * Errors never contain a secret value. An issuer that cannot be reached is an {@link UnreachableError}, which stops a
 * run with nothing rolled back; it is never taken for an unhealthy credential.
 */
import type { Use } from "../lifecycle/values";
import type { IssuedRef, SecretValue } from "./context";

export type { Use } from "../lifecycle/values";

export interface KindCapabilities {
  /**
   * `versioned`: each version is a principal of its own. `alternating`: two fixed principals take turns.
   * A kind whose versions cannot overlap does not exist here: it could not be rotated without downtime.
   */
  readonly overlap: "versioned" | "alternating";
  /** `chosen`: we choose the value and stage it before it is issued. `minted`: the issuer makes it. */
  readonly value: "chosen" | "minted";
  /**
   * `none`: nobody but the stores and their readers knows the credential, such as a random text or a key. It lives as long
   * as a store has it: `inspect` finds nothing, `revoke` has nothing to do, and its end is proven by the stores, from which
   * it is deleted first. Such a kind chooses its values and cannot disable. Absent: there is an issuer.
   */
  readonly issuer?: "none";
  /** How many live credentials the issuer allows for one secret, at least 2; absent means no limit. */
  readonly maxLive?: number;
  /** Whether a credential can be switched off and on again. */
  readonly canDisable: boolean;
  /** Whether the issuer can tell that a credential is not used; without it, a residue is only released by hand. */
  readonly hasLastUsed: boolean;
  /** Whether the issuer tells of log-ins that it refused, so that somebody who misses a disabled version is noticed. */
  readonly seesRefusals: boolean;
}

export interface ProposeRequest {
  readonly secret: string;
  /** The secret's random identity, marked on whatever is issued, so that orphans can be found. */
  readonly identity: string;
  readonly rotationId: string;
  readonly version: number;
  /** What is live at the issuer according to the ledger, at most one entry. */
  readonly live: readonly IssuedRef[];
}

export interface Draft {
  readonly ref: IssuedRef;
  /** Absent where the issuer mints the value. */
  readonly value?: SecretValue;
}

export interface IssueRequest extends ProposeRequest {
  readonly draft: Draft;
}

export interface Issued {
  readonly ref: IssuedRef;
  readonly value: SecretValue;
  /** When the issuer itself ends the credential, in ms since the epoch; absent: never. */
  readonly expiresAt?: number;
}

/** What the issuer says a credential may do. `works: false` means it answered and refused. */
export interface Verification {
  readonly works: boolean;
  /** One sentence, without a secret value. */
  readonly detail: string;
}

export interface InspectedCredential {
  readonly ref: IssuedRef;
  readonly rotationId: string;
  /** Whether it can authenticate now. A disabled credential is not live for this purpose, but exists. */
  readonly enabled: boolean;
}

export interface UsageReport {
  /**
   * `used`: seen in use. `not-seen`: nothing seen at this moment, which does not prove that nothing uses it.
   * `unused`: the issuer's own record proves that nothing used it since `since`. `unknown`: no evidence to be had.
   */
  readonly verdict: "used" | "not-seen" | "unused" | "unknown";
  readonly uses: readonly Use[];
  /** For `unused`: the moment since which there was no use, in ms since the epoch. */
  readonly since?: number;
  /** For `unknown`: one sentence on what is missing. */
  readonly detail?: string;
}

export interface RefusalReport {
  /**
   * `refused`: somebody tried. `none`: the issuer's own record shows that nobody did. `unknown`: it cannot be told, for
   * the reason in `detail`.
   */
  readonly verdict: "refused" | "none" | "unknown";
  /** The latest first, at most 20. */
  readonly uses: readonly Use[];
  /** One sentence on what is missing, for `unknown`. */
  readonly detail?: string;
}

export interface RevokeOptions {
  /** End what still uses the credential instead of refusing. */
  readonly terminateSessions: boolean;
}

/** On which terms superseded versions go, as far as a kind may have to refuse them. */
export interface RetirementTerms {
  readonly graceMs: number;
  /** How long those who read "current" keep what they have read. */
  readonly readersCacheMs: number;
  readonly requireUnused: boolean;
  readonly terminateSessions: boolean;
}

/** A term that a kind cannot work with. */
export interface RefusedTerm {
  readonly term: "grace" | "requireUnused" | "terminateSessions";
  /** What is wrong with it, and what to do; it follows the name of the input. */
  readonly reason: string;
}

/** How an input of the kind reacts to a change: a new version, an update in place, or an error in `check()`. */
export type InputPolicy = "rotate" | "in-place" | "refuse";

export interface CredentialKind {
  readonly type: string;
  readonly capabilities: KindCapabilities;
  /** Local, without side effect. */
  propose(request: ProposeRequest): Promise<Draft>;
  /**
   * Makes the credential, or finds the one made before for the same rotation id. The one that is live keeps working.
   */
  issue(request: IssueRequest): Promise<Issued>;
  /** Authenticates AS the credential. */
  verify(value: SecretValue, ref: IssuedRef): Promise<Verification>;
  /** Every credential at the issuer that carries this identity, whatever the ledger says. */
  inspect(identity: string): Promise<readonly InspectedCredential[]>;
  /** Who uses the credential now. */
  usage(ref: IssuedRef): Promise<UsageReport>;
  /**
   * Log-ins with the credential that were refused since `since` (ms since the epoch). Only called where `seesRefusals`,
   * and only for a disabled credential.
   */
  refusals?(ref: IssuedRef, since: number): Promise<RefusalReport>;
  /** Reversible; absent is an error. Only called where `canDisable`. */
  disable(ref: IssuedRef): Promise<void>;
  enable(ref: IssuedRef): Promise<void>;
  /** Final. Absent is success. */
  revoke(ref: IssuedRef, options: RevokeOptions): Promise<void>;
  /**
   * For adoption of a credential that exists: the public reference of this value, found without changing anything.
   * Absent where the kind cannot adopt.
   */
  adopt?(value: Readonly<Record<string, string>>): Promise<Issued>;
  /** Releases connections. */
  close(): Promise<void>;
}
