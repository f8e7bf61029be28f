/** The calls of IAM that the kind makes, about one user. */
import type * as Sdk from "@aws-sdk/client-iam";
import type { AdapterContext } from "../../contracts/context";
import { StateError } from "../../lifecycle/errors";
import { AwsCaller } from "../../net/aws/caller";
import { AwsThrottled } from "../../net/aws/failures";
import { DEFAULT_MAX_ATTEMPTS } from "../../net/aws/options";
import { retrying } from "../../net/retry";
import { iamUse, Refused } from "./failures";
import type { AccessKey, UserState } from "./keys";
import { decodeIntent, decodeMark, INTENT_TAG, keyOfTag, type Mark } from "./marks";
import type { AwsAccessKeyOptions } from "./options";
import { loadIam } from "./sdk";

/** The methods of the SDK that are used; each needs the permission of its name. */
interface Calls {
  readonly getUser: readonly [Sdk.GetUserCommandInput, Sdk.GetUserCommandOutput];
  readonly listAccessKeys: readonly [Sdk.ListAccessKeysCommandInput, Sdk.ListAccessKeysCommandOutput];
  readonly createAccessKey: readonly [Sdk.CreateAccessKeyCommandInput, Sdk.CreateAccessKeyCommandOutput];
  readonly updateAccessKey: readonly [Sdk.UpdateAccessKeyCommandInput, Sdk.UpdateAccessKeyCommandOutput];
  readonly deleteAccessKey: readonly [Sdk.DeleteAccessKeyCommandInput, Sdk.DeleteAccessKeyCommandOutput];
  readonly getAccessKeyLastUsed: readonly [Sdk.GetAccessKeyLastUsedCommandInput, Sdk.GetAccessKeyLastUsedCommandOutput];
  readonly tagUser: readonly [Sdk.TagUserCommandInput, Sdk.TagUserCommandOutput];
  readonly untagUser: readonly [Sdk.UntagUserCommandInput, Sdk.UntagUserCommandOutput];
}

export interface LastUse {
  /** In ms since the epoch. */
  readonly at: number;
  readonly service: string;
  readonly region: string;
}

export interface MintedKey {
  readonly id: string;
  readonly secret: string;
}

export class Iam {
  private readonly caller: AwsCaller<Sdk.IAM, Calls>;
  /** Asks once: where the answer is lost, a repetition would make a second key. */
  private readonly once: AwsCaller<Sdk.IAM, Calls>;

  constructor(
    readonly user: string,
    private readonly options: AwsAccessKeyOptions,
    private readonly context: AdapterContext,
  ) {
    const parts = {
      adapter: "kind awsAccessKey",
      use: iamUse(user),
      context,
      connect: async (config: Sdk.IAMClientConfig) => new (await loadIam()).IAM(config),
    };
    this.caller = new AwsCaller({ ...parts, connection: options });
    this.once = new AwsCaller({ ...parts, connection: { ...options, maxAttempts: 1 } });
  }

  /** @returns `undefined` when there is no such user. */
  async state(): Promise<UserState | undefined> {
    const [found, keys] = await Promise.all([this.unlessAbsent("getUser", {}), this.keys()]);
    const user = found?.User;
    if (user === undefined || keys === undefined) return undefined;
    const marks = new Map<string, Mark>();
    let intent;
    for (const { Key = "", Value = "" } of user.Tags ?? []) {
      const key = keyOfTag(Key);
      const mark = key === undefined ? undefined : decodeMark(Value);
      if (key !== undefined && mark !== undefined) marks.set(key, mark);
      if (Key === INTENT_TAG) intent = decodeIntent(Value);
    }
    return { account: (user.Arn ?? "").split(":")[4] ?? "", keys, marks, intent };
  }

  /** @returns `undefined` when there is no such user. */
  async keys(): Promise<readonly AccessKey[] | undefined> {
    const answer = await this.unlessAbsent("listAccessKeys", {});
    return answer?.AccessKeyMetadata?.map(({ AccessKeyId = "", Status, CreateDate }) => ({
      id: AccessKeyId,
      active: Status === "Active",
      createdAt: CreateDate?.getTime() ?? 0,
    }));
  }

  /** @throws Refused where the user has two keys already. */
  async create(): Promise<MintedKey> {
    const { maxAttempts: attempts = DEFAULT_MAX_ATTEMPTS } = this.options;
    // What was turned away was not done.
    const isTransient = (error: unknown) => error instanceof AwsThrottled;
    const { AccessKey: key } = await retrying(this.context, { attempts, isTransient }, () =>
      this.once.call("createAccessKey", this.user, { UserName: this.user }),
    );
    if (!key?.AccessKeyId || !key.SecretAccessKey)
      throw new StateError(`AWS made a key of ${this.user} and did not say which.`);
    return { id: key.AccessKeyId, secret: key.SecretAccessKey };
  }

  /** @returns whether there is such a key. */
  async setActive(id: string, active: boolean): Promise<boolean> {
    const input = { AccessKeyId: id, Status: active ? "Active" : "Inactive" } as const;
    return (await this.unlessAbsent("updateAccessKey", input)) !== undefined;
  }

  /** Absent is success. */
  async delete(id: string): Promise<void> {
    await this.unlessAbsent("deleteAccessKey", { AccessKeyId: id });
  }

  /** @returns `undefined` for a key that was never used. */
  async lastUse(id: string): Promise<LastUse | undefined> {
    const answer = await this.call("getAccessKeyLastUsed", { AccessKeyId: id });
    const { LastUsedDate, ServiceName, Region } = answer.AccessKeyLastUsed ?? {};
    if (LastUsedDate === undefined) return undefined;
    return { at: LastUsedDate.getTime(), service: ServiceName ?? "N/A", region: Region ?? "N/A" };
  }

  async tag(key: string, value: string): Promise<void> {
    await this.call("tagUser", { UserName: this.user, Tags: [{ Key: key, Value: value }] });
  }

  /** Absent is success. */
  async untag(...keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.unlessAbsent("untagUser", { TagKeys: [...keys] });
  }

  async close(): Promise<void> {
    await this.caller.close();
    await this.once.close();
  }

  private call<O extends keyof Calls>(operation: O, input: Calls[O][0]): Promise<Calls[O][1]> {
    return this.caller.call(operation, this.user, input);
  }

  private async unlessAbsent<O extends Exclude<keyof Calls, "getAccessKeyLastUsed">>(
    operation: O,
    input: Omit<Calls[O][0], "UserName">,
  ): Promise<Calls[O][1] | undefined> {
    try {
      return await this.call(operation, { ...input, UserName: this.user });
    } catch (error) {
      if (error instanceof Refused && error.why === "absent") return undefined;
      throw error;
    }
  }
}
