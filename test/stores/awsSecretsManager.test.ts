import { storeConformance } from "../../testing/storeConformance";
import { awsSite } from "./servers/awsSite";

describe("the store in AWS Secrets Manager", function () {
  this.timeout(60_000);
  const site = awsSite();

  describe("like every store, under the policy of the documentation", () => {
    const harness = {
      fresh: () => site.fresh(),
      open: async () => site.open(),
      capabilities: {
        fencedLabel: false,
        maxPayloadBytes: 65_536,
        // Each makes two versions of the companion, of which AWS allows 100 in 24 hours; moto_strict holds to it.
        versionsOverTime: 40,
      },
    };
    for (const c of storeConformance(harness)) it(c.name, c.run);
  });
});
