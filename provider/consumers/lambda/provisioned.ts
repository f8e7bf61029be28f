/** Waits until the environments that an alias keeps ready are those of the version that it names. */
import { describeDuration } from "../../lifecycle/duration";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import { Refused } from "./failures";
import { reasonOf, type Work } from "./look";
import { DEFAULT_INTERVAL, DEFAULT_READY_TIMEOUT } from "./options";

interface Provisioned {
  readonly Status?: string | undefined;
  readonly StatusReason?: string | undefined;
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html */
export async function untilProvisioned(work: Work): Promise<void> {
  const { options, context, target } = work;
  const timeoutMs = durationMs(options.readyTimeout, DEFAULT_READY_TIMEOUT);
  const { Status, StatusReason } = await waitUntil<Provisioned>(
    {
      what: `the provisioned concurrency of the alias ${options.alias} of consumer "${options.name}"`,
      intervalMs: durationMs(options.interval, DEFAULT_INTERVAL),
      timeoutMs,
      ask: () => provisioned(work),
      good: (seen) => seen.Status !== "IN_PROGRESS",
      describe: (seen) => `it is ${seen.Status ?? "there"}`,
    },
    context,
  );
  if (Status === "FAILED")
    throw new ConsumerError(
      `Consumer "${options.name}": the alias ${options.alias} was moved for ${describeTarget(target)}, and Lambda could ` +
        `not provide its provisioned concurrency: ${reasonOf(work, undefined, StatusReason)}. Remove the cause, then run ` +
        "again.",
    );
  if (Status === "IN_PROGRESS")
    throw new ConsumerError(
      `Consumer "${options.name}": the alias ${options.alias} was moved for ${describeTarget(target)}, and its ` +
        `provisioned concurrency was not there within ${describeDuration(timeoutMs)}. Callers wait for cold starts ` +
        "meanwhile. See why Lambda takes so long, or raise `readyTimeout`, then run again.",
    );
}

async function provisioned({ api, options }: Work): Promise<Provisioned> {
  try {
    return await api.call("getProvisionedConcurrencyConfig", { Qualifier: options.alias });
  } catch (error) {
    if (error instanceof Refused && error.why === "absent") return {};
    throw error;
  }
}
