/**
 * The kind `awsAccessKey`: a long-term access key of an IAM user.
 *
 * AWS mints key and secret, tells the secret once, and allows two keys a user, inactive ones included. Keys carry no tags:
 * the user's tags say which are ours (./marks). The exact IAM policy is in docs/kinds/awsAccessKey.md.
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
  RevokeOptions,
  UsageReport,
  Verification,
} from "../../contracts/kind";
import { NotFoundError } from "../../lifecycle/errors";
import { adopt } from "./adopt";
import { Iam } from "./api";
import { issue } from "./issue";
import { MOST_KEYS, ownKeys } from "./keys";
import { markFor, refOf } from "./marks";
import type { AwsAccessKeyOptions } from "./options";
import { look } from "./owned";
import { keyOf, revoke } from "./revoke";
import { usage } from "./usage";
import { verify } from "./verify";

/** Nothing is connected to before it is needed. */
export function createAwsAccessKeyKind(options: AwsAccessKeyOptions, context: AdapterContext): CredentialKind {
  return new AwsAccessKeyKind(options, context);
}

class AwsAccessKeyKind implements CredentialKind {
  readonly type = "awsAccessKey";
  readonly capabilities: KindCapabilities = {
    overlap: "versioned",
    value: "minted",
    maxLive: MOST_KEYS,
    canDisable: true,
    hasLastUsed: true,
    seesRefusals: false,
  };
  private readonly iam: Iam;

  constructor(
    private readonly options: AwsAccessKeyOptions,
    private readonly context: AdapterContext,
  ) {
    this.iam = new Iam(options.user, options, context);
  }

  async propose(request: ProposeRequest): Promise<Draft> {
    const { rotation, version } = markFor(request);
    return { ref: { user: this.options.user, rotation, version } };
  }

  async issue(request: IssueRequest): Promise<Issued> {
    return issue(this.iam, this.context, request);
  }

  async verify(value: SecretValue, ref: IssuedRef): Promise<Verification> {
    return verify(this.iam, this.options, this.context, value, ref);
  }

  async inspect(identity: string): Promise<readonly InspectedCredential[]> {
    const seen = await look(this.iam);
    if (seen === undefined) return [];
    const owner = { user: this.options.user, account: seen.state.account };
    return ownKeys(seen.state, seen.orphan, identity).map(({ key, mark }) => ({
      ref: refOf(owner, mark, key.id),
      rotationId: mark.rotation,
      enabled: key.active,
    }));
  }

  async usage(ref: IssuedRef): Promise<UsageReport> {
    return usage(this.iam, this.options, this.context, ref);
  }

  async disable(ref: IssuedRef): Promise<void> {
    await this.setActive(ref, false);
  }

  async enable(ref: IssuedRef): Promise<void> {
    await this.setActive(ref, true);
  }

  async revoke(ref: IssuedRef, options: RevokeOptions): Promise<void> {
    await revoke(this.iam, this.context, ref, options);
  }

  async adopt(value: Readonly<Record<string, string>>): Promise<Issued> {
    return adopt(this.iam, this.options, this.context, value);
  }

  async close(): Promise<void> {
    await this.iam.close();
  }

  private async setActive(ref: IssuedRef, active: boolean): Promise<void> {
    const id = await keyOf(this.iam, ref);
    if (id !== undefined && (await this.iam.setActive(id, active))) return;
    throw new NotFoundError(
      `The user ${this.options.user} has no access key ${id ?? `of rotation ${ref["rotation"] || "(none)"}`}. Nothing was changed.`,
    );
  }
}
