import type * as pulumi from "@pulumi/pulumi";
import type { KeyCommandArgs } from "./keyOptions";
import { kindOf } from "./kindOf";
import type { DurationText, RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";

export interface RotatingSigningKeyArgs extends RotationArgs {
  /** "EdDSA" is Ed25519. @default "ES256" */
  readonly algorithm?: pulumi.Input<"RS256" | "ES256" | "EdDSA">;
  /** Length of an RSA key in bits, for RS256. @default 2048 */
  readonly modulusLength?: pulumi.Input<number>;
  /** The file with the public keys that verifiers are served. Its folder has to exist, and to last. */
  readonly jwksFile: pulumi.Input<string>;
  /** How long verifiers, and what stands between, may cache the JWKS. */
  readonly cacheTime: pulumi.Input<DurationText>;
  /** The longest time for which a token is valid after it was signed, the verifiers' leeway included. */
  readonly tokenLifetime: pulumi.Input<DurationText>;
  /** How long a new key is in the JWKS before something may sign with it. @default `cacheTime` */
  readonly publishWait?: pulumi.Input<DurationText>;
  /** Asks whether a version still signs; without it, `retirement.requireUnused` has to be false. @default nobody */
  readonly usage?: pulumi.Input<KeyCommandArgs>;
}

/** A key pair for JSON Web Tokens and other signatures, whose public part is published before anything is signed. */
export class RotatingSigningKey extends RotatingSecret {
  /** The id of the current key: its thumbprint (RFC 7638). */
  readonly kid: pulumi.Output<string>;

  constructor(name: string, args: RotatingSigningKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    const { algorithm, modulusLength, jwksFile, cacheTime, tokenLifetime, publishWait, usage, ...rotation } = args;
    const options = { algorithm, modulusLength, jwksFile, cacheTime, tokenLifetime, publishWait, usage };
    super(name, { kind: kindOf("signingKey", options), ...rotation }, opts, "RotatingSigningKey");
    this.kid = this.issued.apply((issued) => issued["kid"] ?? "");
  }
}
