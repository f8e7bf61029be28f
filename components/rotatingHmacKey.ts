import type * as pulumi from "@pulumi/pulumi";
import type { KeyCommandArgs } from "./keyOptions";
import { kindOf } from "./kindOf";
import type { RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";

export interface RotatingHmacKeyArgs extends RotationArgs {
  /** @default "sha256" */
  readonly algorithm?: pulumi.Input<"sha256" | "sha384" | "sha512">;
  /** Length of the key, up to 128. @default the length of the hash, which is the least */
  readonly bytes?: pulumi.Input<number>;
  /** How the key is written. @default "base64" */
  readonly encoding?: pulumi.Input<"base64" | "base64url" | "hex">;
  /** Stands before the encoded key, such as `whsec_`. @default nothing */
  readonly prefix?: pulumi.Input<string>;
  /** Asks whether a version is still used; without it, `retirement.requireUnused` has to be false. @default nobody */
  readonly usage?: pulumi.Input<KeyCommandArgs>;
}

/** A key that signer and verifier share, as for webhooks. Roll the verifiers in a wave before the signers. */
export class RotatingHmacKey extends RotatingSecret {
  /** The id of the current key, which the signer sends along. */
  readonly keyId: pulumi.Output<string>;

  constructor(name: string, args: RotatingHmacKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    const { algorithm, bytes, encoding, prefix, usage, ...rotation } = args;
    const options = { algorithm, bytes, encoding, prefix, usage };
    super(name, { kind: kindOf("hmacKey", options), ...rotation }, opts, "RotatingHmacKey");
    this.keyId = this.issued.apply((issued) => issued["keyId"] ?? "");
  }
}
