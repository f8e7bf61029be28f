/** When a key was last used, by IAM's own record of each key. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { UsageReport } from "../../contracts/kind";
import { durationMs } from "../../net/options";
import type { Iam } from "./api";
import { type AwsAccessKeyOptions, DEFAULT_USED_WITHIN } from "./options";
import { lastUseOf } from "./owned";
import { keyOf } from "./revoke";

export async function usage(
  iam: Iam,
  options: AwsAccessKeyOptions,
  context: AdapterContext,
  ref: IssuedRef,
): Promise<UsageReport> {
  const id = await keyOf(iam, ref);
  const key = (await iam.keys())?.find((one) => one.id === id);
  if (key === undefined) return { verdict: "not-seen", uses: [] };
  const use = await lastUseOf(iam, key.id);
  const since = use?.at ?? key.createdAt;
  // The record lags: so much later, what there was to be seen is seen.
  const isQuiet = context.clock.now() - since > durationMs(options.usedWithin, DEFAULT_USED_WITHIN);
  if (isQuiet) return { verdict: "unused", uses: [], since };
  if (use === undefined) return { verdict: "not-seen", uses: [] };
  const ours = use.service === "sts" ? ", as a verification by a rotation is recorded too" : "";
  const by = `${use.service} in ${use.region}, last at ${new Date(use.at).toISOString()}${ours}`;
  return { verdict: "used", uses: [{ by, principal: `${iam.user}/${key.id}`, since: use.at }] };
}
