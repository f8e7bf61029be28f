/** What a signal consumer can be told. */
import { z } from "zod";
import { describeValue, strictOptions, text } from "../../net/options";
import { SIGNALS } from "../../net/pidFile";
import { toldConsumerOptions } from "../../net/toldConsumer";

export const signalConsumerOptions = strictOptions("a signal consumer", {
  type: z.literal("signal", { error: 'the type of a signal consumer must be "signal"' }),
  ...toldConsumerOptions,
  /** A file whose first line is the id of the process. */
  pidFile: text("pidFile"),
  /** By which the process reads its credential again. Default: "SIGHUP". */
  signal: z
    .enum(SIGNALS, {
      error: (issue) => `signal must be one of ${SIGNALS.join(", ")}; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** The name of the program that has to run under that id, without its folder. Linux only. Default: any. */
  program: text("program", 255)
    .refine((name) => !name.includes("/"), { error: 'program must be a name without a folder, such as "nginx"' })
    .optional(),
});

export type SignalConsumerOptions = z.infer<typeof signalConsumerOptions>;
