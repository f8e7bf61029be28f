import type { EmulatedCall, Fate } from "../../testing/cloudRun";
import { consumerConformance, type ConsumerSite } from "../../testing/consumerConformance";
import { StatusError } from "../../testing/gcpSecretManager/status";
import { Site } from "./cloudRun/site";

/** The site of the conformance suite on the emulators. */
async function open(): Promise<ConsumerSite> {
  const site = await Site.open();
  let denied = false;
  let left = Number.POSITIVE_INFINITY;
  let moment: "before" | "after" = "before";
  let reached: () => void = () => undefined;
  let started = 0;
  /** Which of the consumers is cut off: the running one, or the first where there is none yet. */
  let cutOff = 0;

  /** One call of the platform's API, of whichever of its services. */
  const next = (): "pass" | "hang" | "lose" => {
    left -= 1;
    if (left > 0) return "pass";
    if (left < 0) return "hang";
    reached();
    return moment === "before" ? "hang" : "lose";
  };
  site.run.intercept((call: EmulatedCall): Fate => {
    const fate = next();
    if (fate === "pass" && denied && call.method === "UpdateService")
      return new StatusError("PERMISSION_DENIED", "Permission 'run.services.update' denied on resource 'orders'.");
    return fate;
  });
  let watched = false;
  site.secretManager.intercept(() => {
    if (!watched) return undefined;
    const fate = next();
    return fate === "pass" ? undefined : { hang: true, when: fate === "lose" ? "after" : "before" };
  });

  return {
    start: (context) => {
      started += 1;
      if (started > cutOff) left = Number.POSITIVE_INFINITY;
      watched = true;
      return site.consumer({}, context);
    },
    version: async (version) => {
      // What stores it is no consumer.
      const before = watched;
      watched = false;
      try {
        return await site.version(version);
      } finally {
        watched = before;
      }
    },
    breakVersion: (version) => void site.issuer.broken.add(`db_v${version}`),
    serving: async () => site.serving().map(Number),
    failedRequests: () => site.failedRequests,
    changes: () => site.run.changes,
    cutAt: (call, at) => {
      left = call;
      cutOff = Math.max(1, started);
      moment = at;
      return new Promise((resolve) => (reached = resolve));
    },
    deny: (given) => (denied = given),
    close: () => site.close(),
  };
}

describe("the consumer on Cloud Run, like every consumer", function () {
  this.timeout(120_000);
  for (const c of consumerConformance({ open })) it(c.name, c.run);
});
