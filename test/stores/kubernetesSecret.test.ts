/** The store in Kubernetes Secrets, against a real API server with RBAC and the Roles of docs/stores/kubernetes.md. */
import { storeConformance } from "../../testing/storeConformance";
import { describeByHand } from "./kubernetesSecret/byHand";
import { describeConnections } from "./kubernetesSecret/connections";
import { describeFailures } from "./kubernetesSecret/failures";
import { describeInterruptions } from "./kubernetesSecret/interruptions";
import { describeMounts } from "./kubernetesSecret/mounts";
import { describeOptions } from "./kubernetesSecret/options";
import { describeReaders } from "./kubernetesSecret/readers";
import { Site } from "./kubernetesSecret/site";
import { describeUnwell } from "./kubernetesSecret/unwell";

describe("the store in Kubernetes Secrets", function () {
  this.timeout(180_000);
  let started: Site | undefined;
  const site = () => {
    if (started === undefined) throw new Error("the API server is not started yet");
    return started;
  };

  before(async () => {
    started = await Site.start();
  });
  after(async () => started?.stop());

  for (const stableName of [false, true]) {
    describe(`like every store, ${stableName ? "with" : "without"} a stable name`, () => {
      let name = "";
      const harness = {
        capabilities: { fencedLabel: true, fieldName: "-._aZ9" },
        fresh: async () => {
          name = site().newName();
        },
        open: () => site().open({ name, stableName }),
      };
      for (const c of storeConformance(harness)) it(c.name, c.run);
    });
  }

  describeReaders(site);
  describeMounts(site);
  describeByHand(site);
  describeInterruptions(site);
  describeFailures(site);
  describeUnwell(site);
  describeConnections(site);
  describeOptions();
});
