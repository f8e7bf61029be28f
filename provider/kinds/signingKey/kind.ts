/**
 * The kind `signingKey`: a key pair for signatures that others check, as of JSON Web Tokens. The issuer is a JWKS file:
 * a key is issued when it is in there and has been for as long as verifiers cache it, and revoked when it is not.
 */
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type {
  CredentialKind,
  Draft,
  InspectedCredential,
  Issued,
  IssueRequest,
  KindCapabilities,
  ProposeRequest,
  UsageReport,
  Verification,
} from "../../contracts/kind";
import { NotFoundError } from "../../lifecycle/errors";
import { askUsage } from "../../net/storedKind";
import { newKey, publicJwkOf, signsFor } from "./jwk";
import { JwksFile } from "./jwksFile";
import { findKey, ourKeys, refOf, withKey, withoutKey } from "./keySet";
import type { SigningKeyOptions } from "./options";
import { publish } from "./publish";

const TYPE = "signingKey";

export function createSigningKeyKind(options: SigningKeyOptions, context: AdapterContext): CredentialKind {
  return new SigningKeyKind(options, context);
}

class SigningKeyKind implements CredentialKind {
  readonly type = TYPE;
  readonly capabilities: KindCapabilities = {
    overlap: "versioned",
    value: "chosen",
    canDisable: true,
    hasLastUsed: false,
    seesRefusals: false,
  };
  private readonly file: JwksFile;

  constructor(
    private readonly options: SigningKeyOptions,
    private readonly context: AdapterContext,
  ) {
    this.file = new JwksFile(options.jwksFile, context);
  }

  async propose({ rotationId, version }: ProposeRequest): Promise<Draft> {
    const value = await newKey(this.options);
    const { kid = "", alg = "" } = value;
    return { ref: { kid, alg, rotation: rotationId, version: String(version) }, value };
  }

  async issue(request: IssueRequest): Promise<Issued> {
    await publish(this.file, this.options, request, this.context);
    return { ref: request.draft.ref, value: request.draft.value ?? {} };
  }

  /** A signature is made with the private key and checked with the key that verifiers are served. */
  async verify(value: SecretValue, ref: IssuedRef): Promise<Verification> {
    const set = await this.file.read();
    const { kid = "" } = ref;
    const found = set && findKey(set, ref);
    if (!found) return { works: false, detail: `The JWKS does not have the key ${kid}.` };
    if (!found.enabled) return { works: false, detail: `The key ${kid} is withdrawn from the JWKS.` };
    const works = publicJwkOf(value)?.kid === kid && signsFor(value, found.jwk);
    return {
      works,
      detail: works
        ? `A signature by ${kid} is accepted with the key in the JWKS.`
        : `What the private key signs is not accepted with the key ${kid} in the JWKS.`,
    };
  }

  async inspect(identity: string): Promise<readonly InspectedCredential[]> {
    const set = await this.file.read();
    const ours = set ? ourKeys(set).filter(({ mark }) => mark.identity === identity) : [];
    return ours.map((key) => ({ ref: refOf(key), rotationId: key.mark.rotation, enabled: key.enabled }));
  }

  /** Verifiers check tokens by themselves, so the file knows nothing of a use. It is asked whether it is there. */
  async usage(ref: IssuedRef): Promise<UsageReport> {
    await this.file.read();
    return askUsage(this.options.usage, TYPE, ref, this.context);
  }

  /** Takes the key out of what verifiers see. */
  async disable(ref: IssuedRef): Promise<void> {
    await this.setEnabled(ref, false);
  }

  async enable(ref: IssuedRef): Promise<void> {
    await this.setEnabled(ref, true);
  }

  async revoke(ref: IssuedRef): Promise<void> {
    await this.file.update((found) => found && withoutKey(found, ref));
  }

  async close(): Promise<void> {
    // No connection is kept.
  }

  private async setEnabled(ref: IssuedRef, enabled: boolean): Promise<void> {
    await this.file.update((found) => {
      const key = found && findKey(found, ref);
      if (!key)
        throw new NotFoundError(
          `${this.options.jwksFile} does not have the key ${ref["kid"]} of rotation ${ref["rotation"]}. Nothing was changed.`,
        );
      return withKey(found, { ...key, enabled });
    });
  }
}
