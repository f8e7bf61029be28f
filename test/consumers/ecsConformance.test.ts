import { consumerConformance } from "../../testing/consumerConformance";
import { EcsSite, useCredentials } from "./ecs/site";

const SITES = {
  "an ecs consumer that names the version in the task definition": { taskDefinition: "revise", namesVersion: true },
  "an ecs consumer that has tasks read what is current": { taskDefinition: "keep" },
} as const;

for (const [title, options] of Object.entries(SITES))
  describe(title, function () {
    this.timeout(120_000);
    useCredentials();
    for (const { name, run } of consumerConformance({ open: () => EcsSite.open(options) })) it(name, run);
  });
