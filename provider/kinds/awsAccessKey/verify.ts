/** Asks AWS as the key who it is. */
import type * as Sdk from "@aws-sdk/client-sts";
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type { Verification } from "../../contracts/kind";
import { AwsCaller } from "../../net/aws/caller";
import { durationMs } from "../../net/options";
import { waitUntil } from "../../net/waitUntil";
import type { Iam } from "./api";
import { isWrongSecret, LoginRefused, stsUse } from "./failures";
import { type AwsAccessKeyOptions, DEFAULT_SETTLE_WITHIN, stsEndpointOf } from "./options";
import { loadSts } from "./sdk";

interface Calls {
  readonly getCallerIdentity: readonly [Sdk.GetCallerIdentityCommandInput, Sdk.GetCallerIdentityCommandOutput];
}

const ASK_EVERY_MS = 1000;

interface Answer {
  readonly login: { readonly arn: string; readonly account: string } | LoginRefused;
  /** What IAM says: `undefined` when there is no such key. */
  readonly active: boolean | undefined;
}

/**
 * What IAM was told is not so everywhere at once: a new key is refused at first, and a deleted one works for some seconds.
 * So the log-in is repeated where IAM says something else, until both agree or the time is over.
 */
export async function verify(
  iam: Iam,
  options: AwsAccessKeyOptions,
  context: AdapterContext,
  value: SecretValue,
  ref: IssuedRef,
): Promise<Verification> {
  const { accessKeyId, secretAccessKey } = value;
  if (!accessKeyId || !secretAccessKey) return { works: false, detail: "The credential has no key id or no secret." };
  const caller = stsCaller(options, context, iam.user, { accessKeyId, secretAccessKey });
  try {
    const answer = await waitUntil<Answer>(
      {
        what: `IAM and log-ins to agree on the access key ${accessKeyId}`,
        intervalMs: ASK_EVERY_MS,
        timeoutMs: durationMs(options.settleWithin, DEFAULT_SETTLE_WITHIN),
        ask: async () => {
          const [login, active] = await Promise.all([logIn(caller, iam.user), statusOf(iam, accessKeyId)]);
          return { login, active };
        },
        good: hasSettled,
        describe: ({ login, active }) => `${describeLogin(login)}, and IAM says that it is ${describeStatus(active)}`,
      },
      context,
    );
    return verdict(answer, iam.user, ref);
  } finally {
    await caller.close();
  }
}

function hasSettled({ login, active }: Answer): boolean {
  if (login instanceof LoginRefused) return active !== true || isWrongSecret(login);
  return active === true;
}

function verdict({ login, active }: Answer, user: string, ref: IssuedRef): Verification {
  if (login instanceof LoginRefused) {
    return {
      works: false,
      detail: `AWS refuses a log-in with it (${login.code}); IAM says that the key is ${describeStatus(active)}.`,
    };
  }
  const { arn, account } = login;
  const expected = ref["account"];
  if (expected && account !== expected) {
    return { works: false, detail: `A log-in with it succeeded, but in the account ${account}, not ${expected}.` };
  }
  const works = arn.includes(":user/") && arn.endsWith(`/${user}`);
  return { works, detail: `A log-in with it succeeded as ${arn}${works ? "" : `, not as the user ${user}`}.` };
}

async function logIn(caller: AwsCaller<Sdk.STS, Calls>, user: string): Promise<Answer["login"]> {
  try {
    const { Arn = "", Account = "" } = await caller.call("getCallerIdentity", user, {});
    return { arn: Arn, account: Account };
  } catch (error) {
    if (error instanceof LoginRefused) return error;
    throw error;
  }
}

async function statusOf(iam: Iam, id: string): Promise<boolean | undefined> {
  return (await iam.keys())?.find((key) => key.id === id)?.active;
}

function describeLogin(login: Answer["login"]): string {
  return login instanceof LoginRefused ? `a log-in is refused (${login.code})` : "a log-in succeeds";
}

function describeStatus(active: boolean | undefined): string {
  return active === undefined ? "not there" : active ? "active" : "inactive";
}

function stsCaller(
  options: AwsAccessKeyOptions,
  context: AdapterContext,
  user: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
): AwsCaller<Sdk.STS, Calls> {
  const { region, timeout, maxAttempts } = options;
  return new AwsCaller<Sdk.STS, Calls>({
    adapter: "kind awsAccessKey",
    connection: { region, timeout, maxAttempts, endpoint: stsEndpointOf(options) },
    use: stsUse(user),
    context,
    connect: async (config) => new (await loadSts()).STS({ ...config, credentials }),
  });
}
