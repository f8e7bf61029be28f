/** What a command consumer can be told. */
import { z } from "zod";
import { commandEnv, commandLine } from "../../net/commandOptions";
import { duration, strictOptions } from "../../net/options";
import { toldConsumerOptions } from "../../net/toldConsumer";

const HOUR = 3_600_000;

export const commandConsumerOptions = strictOptions("a command consumer", {
  type: z.literal("command", { error: 'the type of a command consumer must be "command"' }),
  ...toldConsumerOptions,
  /** It moves the workload to the version that it is told, and ends with 0 when that serves. It may be run again. */
  command: commandLine("command", '["kubectl", "rollout", "restart", "deployment/orders"]'),
  /**
   * Further variables, for both commands. Of its own environment this process only passes on what programs need to run
   * (`PATH`, `HOME`, locale and the like), because it holds credentials of the rotation itself.
   */
  env: commandEnv.optional(),
  /** The longest that the command may run; then it is ended. Default: "60s". */
  timeout: duration("timeout", 100, HOUR).optional(),
  /** It only looks, and ends with 0 when the workload uses the version and no other: evidence of use. */
  confirm: strictOptions("confirm", {
    command: commandLine("confirm.command", '["orders-ctl", "uses-version"]'),
    /** The longest that one question may take. Default: "10s". */
    timeout: duration("confirm.timeout", 100, HOUR).optional(),
  }).optional(),
}).refine((options) => !options.confirm || !options.adoption, {
  path: ["confirm"],
  error: "confirm and adoption exclude each other; give the one that knows best which version the workload uses",
});

export type CommandConsumerOptions = z.infer<typeof commandConsumerOptions>;
