/** What the user writes to have a service of Amazon ECS moved. */
import { z } from "zod";
import { adoptionOptions } from "../../net/awaitAdoption";
import { awsCallOptions, awsPlaceOptions, matching } from "../../net/aws/options";
import { describeValue, duration, strictOptions, text, wholeNumber } from "../../net/options";

const HOUR = 3_600_000;
export const DEFAULTS = { readyTimeout: "15m", interval: "5s", adoptionTimeout: "6m", failedTasks: 2 } as const;

const secretArn = matching(
  "secrets",
  /^arn:aws[\w-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$/,
  'the ARN of a secret such as "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf"',
);

const namedSecret = z.union(
  [
    secretArn,
    strictOptions("an entry of secrets", {
      /** What `valueFrom` of a container's `secrets` names. */
      arn: secretArn.optional(),
      /** An environment variable that names the version id, for an application that reads the secret itself. */
      variable: matching("variable", /^[A-Za-z_]\w{0,254}$/, "the name of an environment variable").optional(),
    }).refine(({ arn, variable }) => arn !== undefined || variable !== undefined, {
      error: "an entry of secrets needs arn, variable or both",
    }),
  ],
  {
    error: (issue) =>
      `each entry of secrets must be the ARN of a secret, or { arn?, variable? }; it is ${describeValue(issue.input)}`,
  },
);

export const ecsConsumerOptions = strictOptions("an ecs consumer", {
  type: z.literal("ecs", { error: 'the type of an ecs consumer must be "ecs"' }),
  name: text("name", 200),
  /** Consumers of a lower wave are rolled and checked first. Default: 0. */
  wave: wholeNumber("wave", 0, 1000).optional(),
  /** Its name or its ARN. */
  cluster: text("cluster", 512),
  /** Its name or its ARN. */
  service: text("service", 512),
  /** The container that uses the secrets. Default: every container that names one of them. */
  container: text("container", 255).optional(),
  /**
   * `revise`: a revision of the task definition names the version, so that tasks stay on it until they are rolled.
   * `keep`: the task definition stays, and tasks that are started anew read what is current. Default: `revise` where the
   * task definition names a version of one of `secrets` already, else `keep`.
   */
  taskDefinition: z
    .enum(["revise", "keep"], {
      error: (issue) => `taskDefinition must be "revise" or "keep"; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** How the task definition names each secret of the rollout, by the secret's name in the rollout. */
  secrets: z
    .record(z.string().min(1), namedSecret, { error: "secrets must be an object of the rollout's secrets" })
    .optional(),
  /** So many tasks of the new deployment that end by themselves are a failure. Default: 2. */
  failedTasks: wholeNumber("failedTasks", 1, 100).optional(),
  /** How long the service may take to move. Default: "15m". */
  readyTimeout: duration("readyTimeout", 100, 24 * HOUR).optional(),
  /** The time between two questions of a wait. Default: "5s". */
  interval: duration("interval", 10, HOUR).optional(),
  /** How long its tasks may go on with a value that they have read before. Default: "0s". */
  readersCache: duration("readersCache", 0, 30 * 24 * HOUR).optional(),
  /** Where it says by which versions it is connected: asked in addition to ECS. */
  adoption: adoptionOptions.optional(),
  /** How long tasks of the former deployment may take to end. Default: "6m". */
  adoptionTimeout: duration("adoptionTimeout", 100, HOUR).optional(),
  ...awsPlaceOptions,
  ...awsCallOptions,
}).refine(({ taskDefinition, secrets }) => taskDefinition !== "revise" || secrets !== undefined, {
  path: ["secrets"],
  error: 'taskDefinition "revise" needs secrets: how the task definition names each secret of the rollout',
});

export type EcsConsumerOptions = z.infer<typeof ecsConsumerOptions>;
