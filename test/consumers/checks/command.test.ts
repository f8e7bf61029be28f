import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { commandCheckOptions, createCommandCheck, type CommandCheckOptions } from "../../../provider/checks/command";
import { ConfigurationError } from "../../../provider/lifecycle/errors";
import { rejection } from "../told/support";
import { makeContext, makeFolder, noSignal, problems, removeFolder, targetOf, version } from "./support";

describe("command check", () => {
  const v7 = targetOf(version("db", 7, { username: "orders_v7", password: "s3cret-password" }));
  let folder: string;
  let notes: string;

  beforeEach(() => {
    folder = makeFolder();
    notes = path.join(folder, "notes");
  });
  afterEach(() => removeFolder(folder));

  const node = (code: string, ...args: string[]) => [process.execPath, "-e", code, "--", ...args];

  function check(options: Partial<CommandCheckOptions> & { command: string[] }, context = makeContext()) {
    return createCommandCheck(commandCheckOptions.parse({ type: "command", ...options }), context);
  }

  it("is healthy when the program ends with 0, and shows nothing that it wrote", async () => {
    const health = await check({ command: node("console.log('fine')") }).probe(v7, noSignal());
    assert.deepEqual(health, { healthy: true, detail: `"${process.execPath}" ended with exit code 0` });
  });

  it("is unhealthy when the program ends otherwise, and says how without what it wrote", async () => {
    const says = async (command: string[], timeout = "5s") => {
      const { healthy, detail } = await check({ command, timeout }).probe(v7, noSignal());
      assert.equal(healthy, false);
      assert.doesNotMatch(detail, /s3cret|down/);
      return detail;
    };
    const failing = `console.log("s3cret-" + "password"); console.error("down"); process.exit(4)`;
    assert.match(
      await says(node(failing)),
      /ended with exit code 4; 0 is success; what it wrote \(2 lines\) is not shown$/,
    );
    assert.match(await says(node("process.exit(1)")), /ended with exit code 1; 0 is success$/);
    assert.match(await says(node(`process.kill(process.pid, "SIGKILL")`)), /was ended by SIGKILL$/);
    assert.match(
      await says(["no-such-program-here"]),
      /"no-such-program-here" does not exist; it is looked up in PATH/,
    );
    assert.match(await says(node("setInterval(() => 0, 1000)"), "200ms"), /did not end within 200 ms and was ended$/);
  }).timeout(10_000);

  it("follows what the program sees", async () => {
    const looks = check({
      command: node(`process.exit(require("node:fs").existsSync(process.argv[1]) ? 0 : 1)`, notes),
    });
    assert.equal((await looks.probe(v7, noSignal())).healthy, false);
    fs.writeFileSync(notes, "");
    assert.equal((await looks.probe(v7, noSignal())).healthy, true);
    fs.rmSync(notes);
    assert.equal((await looks.probe(v7, noSignal())).healthy, false);
  });

  it("tells the program its target, further variables and values of sources, and never a value", async () => {
    const tell = `const fs = require("node:fs");
      fs.writeFileSync(process.argv[1], JSON.stringify({ env: process.env, input: fs.readFileSync(0, "utf8") }))`;
    process.env["ROTATING_TEST_ADMIN"] = "s3cret-admin";
    try {
      const env = { REGION: "eu", TOKEN: { from: "env", name: "T" } } as const;
      await check({ name: "orders", command: node(tell, notes), env }).probe(v7, noSignal());
    } finally {
      delete process.env["ROTATING_TEST_ADMIN"];
    }
    const told = fs.readFileSync(notes, "utf8");
    assert.doesNotMatch(told, /s3cret|orders_v7/);
    const { env, input } = JSON.parse(told) as { env: Record<string, string>; input: string };
    assert.deepEqual(JSON.parse(input), { secrets: [{ name: "db", version: 7, fingerprint: "fp-db-7" }] });
    assert.equal(env["ROTATION_TARGET"], input.trimEnd());
    assert.deepEqual(
      ["ROTATION_CHECK", "ROTATION_SECRET", "ROTATION_VERSION", "ROTATION_FINGERPRINT", "REGION", "TOKEN"].map(
        (name) => env[name],
      ),
      ["orders", "db", "7", "fp-db-7", "eu", "resolved-from-env"],
    );
  });

  it("refuses a value of the target in the open, and runs nothing", async () => {
    const code = `require("node:fs").writeFileSync(process.argv[1], "")`;
    for (const options of [
      { command: node(code, notes, "s3cret-password") },
      { command: node(code, notes), env: { PASSWORD: "s3cret-password" } },
    ]) {
      const error = await rejection(check({ name: "login", ...options }).probe(v7, noSignal()), ConfigurationError);
      assert.match(error.message, /Check "login": its command or environment contains a value of v7 of "db"/);
    }
    assert.equal(fs.existsSync(notes), false);
  });

  it("ends the program at once when the run is cancelled", async () => {
    const code = `require("node:fs").writeFileSync(process.argv[1], String(process.pid)); setInterval(() => 0, 1000)`;
    const abort = new AbortController();
    const probing = check({ command: node(code, notes), timeout: "30s" }).probe(v7, abort.signal);
    while (!fs.existsSync(notes) || fs.readFileSync(notes, "utf8") === "") await delay(10);
    const startedAt = Date.now();
    abort.abort();
    assert.deepEqual(await probing, { healthy: false, detail: `"${process.execPath}": stopped before it ended` });
    assert.ok(Date.now() - startedAt < 2500);
    assert.throws(() => process.kill(Number(fs.readFileSync(notes, "utf8")), 0), /ESRCH/);
  });

  it("is a canary only where it says so, and no evidence", () => {
    const { canary, isEvidence, name } = check({ command: ["orders-ctl", "healthy"] });
    assert.deepEqual([canary, isEvidence, name], [false, false, "command orders-ctl"]);
    assert.equal(check({ command: ["orders-ctl"], canary: true }).canary, true);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const refuse = (options: object) => problems(commandCheckOptions.safeParse({ type: "command", ...options }));
    assert.match(refuse({ command: "orders-ctl" }), /command must be a list of program and arguments, such as/);
    assert.match(refuse({}), /command must be a list of program and arguments/);
    assert.match(refuse({ command: ["a"], env: { "A=B": "1" } }), /the name of a variable must .*; one is "A=B"/);
    assert.match(
      refuse({ command: ["a"], shell: true }),
      /a command check has no option "shell"; allowed are: type, name/,
    );
  });
});
