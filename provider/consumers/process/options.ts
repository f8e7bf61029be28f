/** What a process consumer can be told. */
import { z } from "zod";
import { adoptionOptions, fitsUrl, tlsFile } from "../../net/awaitAdoption";
import { commandLine } from "../../net/commandOptions";
import { caFile, expectStatus, httpUrl } from "../../net/httpOptions";
import { SIGNALS } from "../../net/pidFile";
import { describeValue, duration, flag, port, strictOptions, text, wholeNumber } from "../../net/options";

const HOUR = 3_600_000;
/** The largest user or group id that every system knows. */
const MAX_ID = 2_147_483_647;

const restart = strictOptions("restart", {
  /**
   * Program and arguments, run without a shell. It ends when the process has been restarted, or at least told to.
   * Never a secret: command lines are visible to every user of the machine.
   */
  command: commandLine("command", '["systemctl", "restart", "orders"]'),
  /**
   * Further environment variables, never a secret. Of its own environment this process only passes on what programs
   * need to run (`PATH`, `HOME`, locale and the like), because it holds credentials of the rotation itself.
   */
  env: z.record(text("the name of a variable", 200), z.string({ error: "a variable must be a text" })).optional(),
  /** The longest the command may run; then it is ended. Default: "60s". */
  timeout: duration("timeout", 100, HOUR).optional(),
});

const signal = strictOptions("signal", {
  /** A file whose first line is the id of the process. It must not outlive the process: ids are used again. */
  pidFile: text("pidFile"),
  name: z.enum(SIGNALS, {
    error: (issue) => `name must be one of ${SIGNALS.join(", ")}; it is ${describeValue(issue.input)}`,
  }),
});

const ready = z.union(
  [
    strictOptions("ready", {
      url: httpUrl("url"),
      /** Default: 200 to 299. */
      expectStatus: expectStatus.optional(),
      /** A part of the body. */
      expectBody: text("expectBody").optional(),
      caFile: caFile.optional(),
    }).refine(fitsUrl, tlsFile),
    strictOptions("ready", { tcp: strictOptions("tcp", { host: text("host", 253), port: port("port") }) }),
  ],
  {
    error:
      'ready must be { "url", "expectStatus"?, "expectBody"?, "caFile"? } with a whole http:// or https:// address ' +
      'without user name and password, or { "tcp": { "host", "port" } }',
  },
);

export const processConsumerOptions = strictOptions("a process consumer", {
  type: z.literal("process", { error: 'the type of a process consumer must be "process"' }),
  name: text("name", 200),
  /** Consumers of a lower wave are rolled and checked first. Default: 0. */
  wave: wholeNumber("wave", 0, 1000).optional(),
  /**
   * Where the credential is delivered, readable by its owner only. The consumer is then pinned: the file changes only
   * when it is rolled. Its folder must exist.
   */
  file: text("file").optional(),
  /**
   * How long the process may go on with a credential that it has read before, such as that of a connection pool that
   * opens new connections with it. Default: "0s".
   */
  readersCache: duration("readersCache", 0, 30 * 24 * HOUR).optional(),
  /** Who owns the file. Default: who runs `pulumi`. */
  owner: strictOptions("owner", { uid: wholeNumber("uid", 0, MAX_ID), gid: wholeNumber("gid", 0, MAX_ID) }).optional(),
  restart: restart.optional(),
  signal: signal.optional(),
  /** What shows that the process serves again. Absent: nothing is waited for. */
  ready: ready.optional(),
  /** Default: "60s". */
  readyTimeout: duration("readyTimeout", 100, HOUR).optional(),
  /** Where the process says by which versions it is connected: evidence of use. */
  adoption: adoptionOptions.optional(),
  /** Default: "60s". */
  adoptionTimeout: duration("adoptionTimeout", 100, HOUR).optional(),
  /** The time between two questions of a wait. Default: "500ms". */
  interval: duration("interval", 10, HOUR).optional(),
  /** The process may not be running yet; then it is enough that the file is delivered. Default: false. */
  optional: flag("optional").optional(),
})
  .refine((options) => !options.restart || !options.signal, {
    path: ["signal"],
    error: "restart and signal exclude each other; give one, or neither where the process watches the file itself",
  })
  .refine((options) => options.file || options.restart || options.signal || options.adoption, {
    error: "a process consumer needs at least one of file, restart, signal and adoption; without them it does nothing",
  })
  .refine((options) => !options.owner || options.file, { path: ["owner"], error: "owner has no effect without file" })
  .refine((options) => !options.optional || (options.file && options.signal), {
    path: ["optional"],
    error:
      "optional needs file and signal: only a pid file tells whether the process runs, and only a delivered file " +
      "gives it the right version when it starts",
  });

export type ProcessConsumerOptions = z.infer<typeof processConsumerOptions>;
