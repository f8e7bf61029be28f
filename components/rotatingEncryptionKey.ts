import type * as pulumi from "@pulumi/pulumi";
import type { KeyCommandArgs } from "./keyOptions";
import { kindOf } from "./kindOf";
import type { RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";

export interface RotatingEncryptionKeyArgs extends RotationArgs {
  /** @default "AES-256-GCM", the only one */
  readonly algorithm?: pulumi.Input<"AES-256-GCM">;
  /**
   * Encrypts anew what a superseded version has encrypted, and answers `{"left": n}`. It may be ended at any time and is
   * run again. Nothing but `{"left": 0}` lets a version go.
   */
  readonly rewrap: pulumi.Input<KeyCommandArgs>;
}

/**
 * A key for data at rest: the newest encrypts, all that the store has decrypt. Protected unless the options say
 * `protect: false`: with it the data would go.
 */
export class RotatingEncryptionKey extends RotatingSecret {
  /** The id of the current key, which each ciphertext names. */
  readonly keyId: pulumi.Output<string>;

  constructor(name: string, args: RotatingEncryptionKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    const { algorithm, rewrap, ...rotation } = args;
    super(
      name,
      { kind: kindOf("encryptionKey", { algorithm, rewrap }), ...rotation },
      { protect: true, ...opts },
      "RotatingEncryptionKey",
    );
    this.keyId = this.issued.apply((issued) => issued["keyId"] ?? "");
  }
}
