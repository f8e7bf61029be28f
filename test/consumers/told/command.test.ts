import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  commandConsumerOptions,
  createCommandConsumer,
  type CommandConsumerOptions,
} from "../../../provider/consumers/command";
import { ConfigurationError, ConsumerError } from "../../../provider/lifecycle/errors";
import {
  makeContext,
  makeFolder,
  problems,
  removeFolder,
  Servers,
  targetOf,
  version,
  type TestContext,
} from "../checks/support";
import { rejection } from "./support";

/** Writes what it was told into the file of its first argument: its environment, arguments and standard input. */
const TELL = `
const fs = require("node:fs");
const [file, ...args] = process.argv.slice(1);
const told = { env: process.env, args, input: fs.readFileSync(0, "utf8") };
fs.appendFileSync(file, JSON.stringify(told) + "\\n");
`;

interface Told {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly args: readonly string[];
  readonly input: string;
}

describe("command consumer", () => {
  const servers = new Servers();
  const v7 = targetOf(version("db", 7, { username: "orders_v7", password: "s3cret-password" }));
  const v8 = targetOf(version("db", 8, { username: "orders_v8", password: "an0ther-password" }));
  let folder: string;
  let notes: string;
  let context: TestContext;

  beforeEach(() => {
    folder = makeFolder();
    notes = path.join(folder, "notes");
    context = makeContext();
  });
  afterEach(async () => {
    await servers.closeAll();
    removeFolder(folder);
  });

  const node = (code: string, ...args: string[]) => [process.execPath, "-e", code, "--", ...args];
  const told = () => {
    if (!fs.existsSync(notes)) return [];
    const lines = fs.readFileSync(notes, "utf8").trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as Told);
  };

  function consumer(options: Partial<CommandConsumerOptions> & { command: string[] }, within = context) {
    const parsed = commandConsumerOptions.parse({ type: "command", name: "orders", interval: "50ms", ...options });
    return createCommandConsumer(parsed, within);
  }

  it("tells the program name, version and fingerprint, by variables and on its input, and never a value", async () => {
    await consumer({ command: node(TELL, notes, "$HOME; echo *") }).roll(v7);
    const [run] = told();
    const target = { secrets: [{ name: "db", version: 7, fingerprint: "fp-db-7" }] };
    assert.equal(told().length, 1);
    assert.deepEqual(run?.args, ["$HOME; echo *"], "there is no shell");
    assert.equal(run.input, `${JSON.stringify(target)}\n`);
    const ours = Object.fromEntries(Object.entries(run.env).filter(([name]) => name.startsWith("ROTATION_")));
    assert.deepEqual(ours, {
      ROTATION_CONSUMER: "orders",
      ROTATION_STEP: "roll",
      ROTATION_TARGET: JSON.stringify(target),
      ROTATION_SECRET: "db",
      ROTATION_VERSION: "7",
      ROTATION_FINGERPRINT: "fp-db-7",
    });
    assert.doesNotMatch(fs.readFileSync(notes, "utf8"), /s3cret|orders_v7/);
  });

  it("names no single secret where the target has several", async () => {
    await consumer({ command: node(TELL, notes) }).roll(targetOf(...v7.secrets, version("mail", 2)));
    const [run] = told();
    assert.equal(run?.env["ROTATION_VERSION"], undefined);
    assert.equal(run?.env["ROTATION_SECRET"], undefined);
    assert.deepEqual(
      (JSON.parse(run?.input ?? "") as { secrets: { name: string }[] }).secrets.map(({ name }) => name),
      ["db", "mail"],
    );
  });

  it("passes on variables of the program and values of sources, and none of the credentials around it", async () => {
    process.env["ROTATING_TEST_ADMIN"] = "s3cret-admin";
    try {
      const env = { REGION: "eu", TOKEN: { from: "env", name: "ORDERS_TOKEN" } } as const;
      await consumer({ command: node(TELL, notes), env }).roll(v7);
    } finally {
      delete process.env["ROTATING_TEST_ADMIN"];
    }
    const [run] = told();
    assert.equal(run?.env["REGION"], "eu");
    assert.equal(run.env["TOKEN"], "resolved-from-env");
    assert.equal(run.env["PATH"], process.env["PATH"]);
    assert.equal(run.env["ROTATING_TEST_ADMIN"], undefined);
  });

  it("says in the log what the program wrote, without a secret", async () => {
    const env = { TOKEN: { from: "env", name: "ORDERS_TOKEN" } } as const;
    const code = `console.log("moved with s3cret-" + "password"); console.error("and " + process.env.TOKEN)`;
    await consumer({ command: node(code), env }).roll(v7);
    assert.deepEqual(context.lines.sort(), ['Consumer "orders": and ***', 'Consumer "orders": moved with ***']);
  });

  it("fails with the end of the program and its last lines, without a secret", async () => {
    const code = `console.log("no host called s3cret-" + "password"); process.exit(3)`;
    const failed = await rejection(consumer({ command: node(code) }).roll(v7), ConsumerError);
    assert.match(failed.message, /"orders" could not be rolled to v7 of "db": .* ended with exit code 3; 0 is success/);
    assert.match(failed.message, /Its last lines:\n {2}no host called \*\*\*$/);
    const silent = await rejection(
      consumer({ command: node(`process.kill(process.pid, "SIGKILL")`) }).roll(v7),
      ConsumerError,
    );
    assert.match(silent.message, /was ended by SIGKILL\. .*It wrote nothing\./);
    const missing = await rejection(consumer({ command: ["no-such-program-here"] }).roll(v7), ConsumerError);
    assert.match(missing.message, /"no-such-program-here" does not exist; it is looked up in PATH, without a shell/);
  });

  it("ends a program that takes too long, with all that it started", async () => {
    const child = `require("node:fs").writeFileSync(${JSON.stringify(notes)}, String(process.pid)); setInterval(() => 0, 1000)`;
    const code = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}]); setInterval(() => 0, 1000)`;
    const error = await rejection(consumer({ command: node(code), timeout: "2s" }).roll(v7), ConsumerError);
    assert.match(error.message, /did not end within 2 seconds and was ended/);
    const pid = Number(fs.readFileSync(notes, "utf8"));
    assert.ok(pid > 1);
    await gone(pid);
  }).timeout(15_000);

  it("refuses a value of the target on the command line or in a variable, and runs nothing", async () => {
    const inArguments = consumer({ command: node(TELL, notes, "--password=s3cret-password") });
    const inEnv = consumer({ command: node(TELL, notes), env: { PASSWORD: "s3cret-password" } });
    const bySource = consumer(
      { command: node(TELL, notes), env: { PASSWORD: { from: "env", name: "PASSWORD" } } },
      { ...context, resolveSecret: () => Promise.resolve("s3cret-password") },
    );
    for (const one of [inArguments, inEnv, bySource]) {
      const error = await rejection(one.roll(v7), ConfigurationError);
      assert.match(error.message, /contains a value of v7 of "db", where other users of the machine can see it/);
    }
    assert.deepEqual(told(), []);
  });

  it("may name where a credential leads and as whom", async () => {
    const open = { username: "orders_app", database: "orders", host: "db.internal", password: "s3cret-password" };
    await consumer({ command: node(TELL, notes, "orders_app", "db.internal") }).roll(targetOf(version("db", 7, open)));
    assert.equal(told().length, 1);
  });

  it("lets a program that is at work finish when the run is cancelled, and starts none after", async () => {
    const abort = new AbortController();
    const started = path.join(folder, "started");
    const code = `const fs = require("node:fs"); fs.writeFileSync(${JSON.stringify(started)}, "");
      setTimeout(() => fs.writeFileSync(${JSON.stringify(notes)}, "finished"), 300)`;
    const cancelled = { ...context, signal: abort.signal };
    const rolling = consumer({ command: node(code) }, cancelled).roll(v7);
    const ended = assert.rejects(rolling, /cancelled by the test/);
    while (!fs.existsSync(started)) await delay(10);
    abort.abort(new Error("cancelled by the test"));
    await ended;
    assert.equal(fs.readFileSync(notes, "utf8"), "finished");
    fs.rmSync(notes);
    await assert.rejects(consumer({ command: node(TELL, notes) }, cancelled).roll(v7), /cancelled by the test/);
    assert.deepEqual(told(), []);
  });

  it("is no evidence by itself", async () => {
    const orders = consumer({ command: node(TELL, notes) });
    assert.equal(orders.hasEvidence, false);
    const { adopted, detail } = await orders.confirm(v7);
    assert.equal(adopted, false);
    assert.match(detail, /no evidence of the version in use: its command says that it was rolled, no more/);
    assert.deepEqual(told(), [], "confirm runs nothing");
  });

  it("is adopted when its second program says so, asked again until then", async () => {
    const state = path.join(folder, "state");
    const code = `const fs = require("node:fs"); const file = ${JSON.stringify(state)};
      fs.appendFileSync(file, process.env.ROTATION_STEP + process.env.ROTATION_VERSION + "\\n");
      process.exit(fs.readFileSync(file, "utf8").split("\\n").length > 3 ? 0 : 1)`;
    const orders = consumer({ command: node(TELL, notes), confirm: { command: node(code) } });
    assert.equal(orders.hasEvidence, true);
    const { adopted, detail } = await orders.confirm(v8);
    assert.equal(adopted, true, detail);
    assert.match(detail, /says that it uses v8 of "db"/);
    assert.equal(fs.readFileSync(state, "utf8"), "confirm8\n".repeat(3));
    assert.deepEqual(told(), [], "the first program moves; confirm does not run it");
  });

  it("is not adopted when the second program says no until the time is over, hangs or does not exist", async () => {
    const command = node(TELL, notes);
    const asked = async (confirm: CommandConsumerOptions["confirm"], adoptionTimeout: string) => {
      const answer = await consumer({ command, confirm, adoptionTimeout }).confirm(v7);
      assert.equal(answer.adopted, false);
      assert.doesNotMatch(answer.detail, /s3cret/);
      return answer.detail;
    };
    const says = node(`console.log("s3cret-" + "password"); process.exit(1)`);
    assert.match(await asked({ command: says }, "300ms"), /^not within 300 ms: .* ended with exit code 1/);
    const hangs = { command: node("setInterval(() => 0, 1000)"), timeout: "200ms" };
    assert.match(await asked(hangs, "250ms"), /did not end within 200 ms and was ended/);
    const startedAt = Date.now();
    assert.match(await asked({ command: ["no-such-program-here"] }, "30s"), /"no-such-program-here" does not exist/);
    assert.ok(Date.now() - startedAt < 5000, "what does not exist is not waited for");
  }).timeout(15_000);

  it("ends a second program at once when the run is cancelled", async () => {
    const abort = new AbortController();
    const hangs = `require("node:fs").writeFileSync(${JSON.stringify(notes)}, ""); setInterval(() => 0, 1000)`;
    const cancelled = { ...context, signal: abort.signal };
    const confirm = { command: node(hangs), timeout: "30s" };
    const asking = consumer({ command: node(""), confirm }, cancelled).confirm(v7);
    const ended = assert.rejects(asking, /cancelled by the test/);
    while (!fs.existsSync(notes)) await delay(10);
    const startedAt = Date.now();
    abort.abort(new Error("cancelled by the test"));
    await ended;
    assert.ok(Date.now() - startedAt < 2500);
  });

  it("is adopted when its adoption address says so", async () => {
    const app = await servers.http((_request, response) => response.end('{"fingerprints":["fp-db-8"]}'));
    const orders = consumer({ command: node(""), adoption: { url: app.url }, adoptionTimeout: "200ms" });
    assert.equal(orders.hasEvidence, true);
    assert.deepEqual(await orders.confirm(v8), { adopted: true, detail: 'uses v8 of "db" (fp-db-8)' });
    assert.equal((await orders.confirm(v7)).adopted, false);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const good = { type: "command", name: "orders", command: ["orders-ctl"] };
    const refuse = (options: object) => problems(commandConsumerOptions.safeParse({ ...good, ...options }));
    assert.equal(refuse({ env: { REGION: "eu", TOKEN: { from: "file", path: "/token" } } }), "");
    assert.match(refuse({ command: "orders-ctl reload" }), /command must be a list of program and arguments, such as/);
    assert.match(refuse({ command: [] }), /command must name a program; it is empty/);
    assert.match(refuse({ command: ["a", "b\0"] }), /contain no null character/);
    for (const name of ["A=B", "ROTATION_TARGET", ""])
      assert.ok(
        refuse({ env: { [name]: "x" } }).includes(
          `without "=" and a null character, and not begin with ROTATION_, which tells the program its target; one is "${name}"`,
        ),
      );
    assert.match(refuse({ env: ["A=B"] }), /env must be an object of variables, such as \{ "REGION": "eu" \}/);
    for (const value of [5, "a\0b", { from: "nowhere", value: "s3cret-password" }]) {
      assert.match(refuse({ env: { A: value } }), /a variable must be a text without a null character or a source/);
      assert.doesNotMatch(refuse({ env: { A: value } }), /s3cret/);
    }
    const both = { confirm: { command: ["a"] }, adoption: { url: "http://app/" } };
    assert.match(refuse(both), /confirm and adoption exclude each other/);
    assert.match(refuse({ confirm: {} }), /confirm.command must be a list of program and arguments/);
    assert.match(refuse({ timeout: "10" }), /timeout must be a duration/);
    assert.match(refuse({ shell: true }), /a command consumer has no option "shell"; allowed are: type, name/);
  });
});

/** Waits until nobody runs under the id; the test's time limit ends the wait. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      // Its parent is gone too: a process that has ended may stay in the table until somebody asks for its end.
      if (/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"))) return;
    } catch {
      return;
    }
    await delay(20);
  }
}
