import { storeConformance } from "../../testing/storeConformance";
import { awsSite } from "./servers/awsSite";

/** AWS allows 100 versions within a day, and here a year's pass within a minute. */
const VERSIONS_OF_A_DAY = 100_000;

describe("the store in AWS Secrets Manager, like every store, under the policy of the documentation", function () {
  this.timeout(120_000);
  const site = awsSite(VERSIONS_OF_A_DAY);
  const harness = {
    fresh: async () => {
      await site.fresh();
    },
    open: async () => site.open(),
    capabilities: { fencedLabel: false, maxPayloadBytes: 65_536 },
  };
  for (const c of storeConformance(harness)) it(c.name, c.run);
});
