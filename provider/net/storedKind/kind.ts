/**
 * A kind without an issuer: a value that we draw, and that only the stores and their readers know. What differs between
 * such kinds is what they draw and how it is known whether somebody still uses it.
 */
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type { CredentialKind, ProposeRequest, RevokeOptions, UsageReport } from "../../contracts/kind";
import { StateError } from "../../lifecycle/errors";
import { checkOf, isValueOf } from "./check";

export interface StoredKind {
  readonly type: string;
  /** The field of the value that is the secret itself. */
  readonly secretField: string;
  /** Draws a value. */
  draw(request: ProposeRequest): SecretValue;
  /** The fields of the value that may be seen by everybody. */
  readonly publicFields: readonly string[];
  usage(ref: IssuedRef, context: AdapterContext): Promise<UsageReport>;
  /** Called before a version is deleted. @throws StateError where it may not be. */
  assertMayEnd?(ref: IssuedRef, options: RevokeOptions, context: AdapterContext): Promise<void>;
}

/** Names a key in what is made with it, such as a signature's header: the version, and what nobody else has. */
export function keyIdOf({ version, rotationId }: ProposeRequest): string {
  return `v${version}-${rotationId.slice(0, 8)}`;
}

export function createStoredKind(own: StoredKind, context: AdapterContext): CredentialKind {
  const noIssuer = (word: string) =>
    new StateError(
      `A version of kind ${own.type} cannot be ${word}: nobody issues it, readers have it from the store. Nothing was changed.`,
    );
  return {
    type: own.type,
    capabilities: {
      overlap: "versioned",
      value: "chosen",
      issuer: "none",
      canDisable: false,
      hasLastUsed: false,
      seesRefusals: false,
    },
    async propose(request) {
      const value = own.draw(request);
      const facts = Object.fromEntries(own.publicFields.map((field) => [field, value[field] ?? ""]));
      const check = await checkOf(value[own.secretField] ?? "", request.rotationId);
      return { ref: { ...facts, rotation: request.rotationId, version: String(request.version), check }, value };
    },
    async issue({ draft: { ref, value }, secret, version }) {
      if (!value || !(await isIts(own, ref, value)))
        throw new StateError(
          `${secret} v${version}: what the store has is not the value that was drawn for it. Nobody got it, and nothing ` +
            `was changed. Find out who writes there, then run again.`,
        );
      return { ref, value };
    },
    async verify(value, ref) {
      const works = await isIts(own, ref, value);
      const detail = works ? "it is the value that was drawn" : "it is another value than the one that was drawn";
      return { works, detail };
    },
    inspect: async () => [],
    usage: (ref) => own.usage(ref, context),
    disable: async () => {
      throw noIssuer("disabled");
    },
    enable: async () => {
      throw noIssuer("enabled");
    },
    revoke: async (ref, options) => own.assertMayEnd?.(ref, options, context),
    close: async () => undefined,
  };
}

async function isIts(own: StoredKind, ref: IssuedRef, value: SecretValue): Promise<boolean> {
  const secret = value[own.secretField];
  if (!secret || own.publicFields.some((field) => value[field] !== ref[field])) return false;
  return isValueOf(ref["check"] ?? "", secret, ref["rotation"] ?? "");
}
