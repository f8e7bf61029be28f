/**
 * The consumer of Kubernetes workloads, against the real control plane with simulated nodes, RBAC, and the Role of
 * docs/consumers/kubernetes.md.
 */
import { describeAccess } from "./kubernetes/access";
import { describeMany } from "./kubernetes/many";
import { describeRolls } from "./kubernetes/rolls";
import { describeTrouble } from "./kubernetes/trouble";
import { describeWays } from "./kubernetes/ways";
import { Site } from "./kubernetes/site";

describe("the consumer of Kubernetes workloads", function () {
  this.timeout(120_000);
  let started: Site | undefined;
  const site = () => {
    if (started === undefined) throw new Error("the control plane is not started yet");
    return started;
  };

  before(async () => {
    started = await Site.start();
  });
  after(async () => started?.stop());

  describeRolls(site);
  describeTrouble(site);
  describeMany(site);
  describeWays(site);
  describeAccess(site);
});
