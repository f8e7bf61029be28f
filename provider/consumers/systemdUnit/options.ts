/** What a consumer that is a unit of systemd can be told. */
import { z } from "zod";
import { describeValue, duration, strictOptions, text } from "../../net/options";
import { toldConsumerOptions } from "../../net/toldConsumer";

const ACTIONS = ["restart", "reload", "reload-or-restart"] as const;

export const systemdUnitConsumerOptions = strictOptions("a systemdUnit consumer", {
  type: z.literal("systemdUnit", { error: 'the type of a systemdUnit consumer must be "systemdUnit"' }),
  ...toldConsumerOptions,
  /** With its ending: `orders.service`. https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html */
  unit: z
    .string({ error: (issue) => `unit must be the name of a unit; it is ${describeValue(issue.input)}` })
    .regex(/^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,249}\.[a-z]+$/, {
      error: (issue) =>
        `unit must be the name of one unit with its ending, such as "orders.service"; it is ${describeValue(issue.input)}`,
    }),
  /** What makes it read its credential again. Default: "restart". */
  action: z
    .enum(ACTIONS, {
      error: (issue) => `action must be one of ${ACTIONS.join(", ")}; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** Which manager has the unit: the system's, or that of the user who runs `pulumi`. Default: "system". */
  manager: z
    .enum(["system", "user"], {
      error: (issue) => `manager must be "system" or "user"; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** The states within `active` that mean that it serves. Default: `["running"]`. */
  subStates: z
    .array(text("each of subStates", 50), { error: 'subStates must be a list of states, such as ["running"]' })
    .min(1, { error: "subStates must not be empty" })
    .optional(),
  /** The longest that the action may take, and the wait after it until the unit is active. Default: "90s". */
  timeout: duration("timeout", 100, 3_600_000).optional(),
});

export type SystemdUnitConsumerOptions = z.infer<typeof systemdUnitConsumerOptions>;
