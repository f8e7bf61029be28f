import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  createProcessConsumer,
  processConsumerOptions,
  type ProcessConsumerOptions,
} from "../../../provider/consumers/process";
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

/**
 * A process that serves on PORT, reads its credential from FILE at its start and on SIGHUP, and reports fingerprints.
 * It starts to listen after DELAY ms.
 */
const APP = `
const fs = require("node:fs");
let used = [];
const read = () => {
  const { secrets } = JSON.parse(fs.readFileSync(process.env.FILE, "utf8"));
  used = Object.values(secrets).map((secret) => secret.fingerprint);
};
if (fs.existsSync(process.env.FILE)) read();
process.on("SIGHUP", () => setTimeout(read, 100));
const server = require("node:http").createServer((request, response) =>
  response.end(JSON.stringify({ fingerprints: used, pid: process.pid })));
setTimeout(() => server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  if (process.env.PIDFILE) fs.writeFileSync(process.env.PIDFILE, process.pid + "\\n");
}), Number(process.env.DELAY || 0));
setTimeout(() => process.exit(0), 30000);
`;

/** A restart command: ends the process that PIDFILE names, starts a new one, and does not wait for it. */
const RESTART = `
const fs = require("node:fs");
try { process.kill(Number(fs.readFileSync(process.env.PIDFILE, "utf8"))); } catch {}
const child = require("node:child_process").spawn(process.execPath, [process.argv[2]], { stdio: ["ignore", "inherit", "inherit"] });
fs.writeFileSync(process.env.PIDFILE, child.pid + "\\n");
child.unref();
console.log("restarted");
`;

describe("process consumer", () => {
  const servers = new Servers();
  let folder: string;
  let file: string;
  let pidFile: string;
  let app: string;
  let port: number;
  let context: TestContext;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = makeFolder();
    file = path.join(folder, "credential.json");
    pidFile = path.join(folder, "app.pid");
    app = script("app.js", APP);
    port = (await servers.refusing()).port;
    context = makeContext();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
    killApp();
    await servers.closeAll();
    removeFolder(folder);
  });

  function script(name: string, text: string): string {
    const full = path.join(folder, name);
    fs.writeFileSync(full, text);
    return full;
  }

  function killApp(signal: NodeJS.Signals = "SIGKILL"): void {
    try {
      process.kill(Number(fs.readFileSync(pidFile, "utf8")), signal);
    } catch {
      return;
    }
  }

  const appEnv = () => ({ FILE: file, PORT: String(port), PIDFILE: pidFile });
  const node = (code: string, ...args: string[]) => [process.execPath, "-e", code, "--", ...args];
  const url = () => `http://127.0.0.1:${port}/`;

  /** The app, started by the test itself and serving. */
  async function startApp(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [app], { env: { ...process.env, ...appEnv() }, stdio: "ignore" });
    children.push(child);
    while (!fs.existsSync(pidFile)) await delay(10);
    return child;
  }

  function consumer(options: Partial<ProcessConsumerOptions>) {
    const parsed = processConsumerOptions.parse({ type: "process", name: "orders", interval: "50ms", ...options });
    return createProcessConsumer(parsed, context);
  }

  const restarting = (env: Record<string, string> = {}) => ({
    file,
    restart: { command: [process.execPath, script("restart.js", RESTART), app], env: { ...appEnv(), ...env } },
    ready: { url: url() },
    readyTimeout: "10s",
  });

  const v7 = targetOf(version("db", 7, { username: "orders_v7", password: "s3cret-password" }));
  const v8 = targetOf(version("db", 8, { username: "orders_v8", password: "an0ther-password" }));

  const rejection = async (work: Promise<unknown>): Promise<ConsumerError> => {
    try {
      await work;
    } catch (error) {
      assert.ok(error instanceof ConsumerError, String(error));
      assert.doesNotMatch(error.message, /s3cret|an0ther/);
      return error;
    }
    return assert.fail("it was expected to fail");
  };

  describe("delivery", () => {
    it("writes the documented content, readable by its owner only, and nothing else", async () => {
      await consumer({ file }).roll(v7);
      assert.deepEqual(JSON.parse(fs.readFileSync(file, "utf8")), {
        secrets: {
          db: {
            version: 7,
            fingerprint: "fp-db-7",
            value: { username: "orders_v7", password: "s3cret-password" },
          },
        },
      });
      assert.equal(fs.statSync(file).mode & 0o777, 0o600);
      assert.deepEqual(fs.readdirSync(folder).sort(), ["app.js", "credential.json"]);
    });

    it("replaces the file as a whole: a reader never sees a part of it", async () => {
      const orders = consumer({ file });
      await orders.roll(v7);
      const open = fs.openSync(file, "r");
      const before = fs.statSync(file).ino;
      const state = { rolling: true };
      const reader = (async () => {
        while (state.rolling) {
          JSON.parse(fs.readFileSync(file, "utf8"));
          await delay(1);
        }
      })();
      for (let round = 0; round < 20; round++) await orders.roll(round % 2 ? v7 : v8);
      await orders.roll(v8);
      state.rolling = false;
      await reader;
      assert.notEqual(fs.statSync(file).ino, before);
      assert.match(fs.readFileSync(open, "utf8"), /"version": 7/);
      fs.closeSync(open);
    });

    it("replaces what a killed run left behind, and does not follow a link in its place", async () => {
      const victim = script("victim", "untouched");
      fs.symlinkSync(victim, path.join(folder, ".credential.json.rotation-tmp"));
      await consumer({ file }).roll(v7);
      assert.equal(fs.readFileSync(victim, "utf8"), "untouched");
      assert.match(fs.readFileSync(file, "utf8"), /fp-db-7/);
    });

    it("fails with the reason when the file cannot be written, and leaves no secret behind", async () => {
      const absent = await rejection(consumer({ file: path.join(folder, "absent", "c.json") }).roll(v7));
      assert.match(absent.message, /its folder does not exist \(ENOENT\)\. It is as it was/);
      fs.mkdirSync(file);
      assert.match((await rejection(consumer({ file }).roll(v7))).message, /it is a folder/);
      assert.deepEqual(fs.readdirSync(folder).sort(), ["app.js", "credential.json"]);
    });

    it("gives the file to its owner", async () => {
      const uid = process.getuid?.() ?? 0;
      const gid = process.getgid?.() ?? 0;
      const owner = uid === 0 ? { uid: 12_345, gid: 12_346 } : { uid, gid };
      await consumer({ file, owner }).roll(v7);
      const stat = fs.statSync(file);
      assert.deepEqual([stat.uid, stat.gid, stat.mode & 0o777], [owner.uid, owner.gid, 0o600]);
    });
  });

  describe("restart", () => {
    it("restarts the process, waits until it serves, and has evidence of the version in use", async () => {
      const orders = consumer({ ...restarting({ DELAY: "300" }), adoption: { url: url() } });
      assert.deepEqual([orders.pinned, orders.hasEvidence, orders.wave], [true, true, 0]);
      await orders.roll(v7);
      assert.deepEqual(await orders.confirm(v7), { adopted: true, detail: 'uses v7 of "db" (fp-db-7)' });
      await orders.roll(v8);
      assert.deepEqual(await orders.confirm(v8), { adopted: true, detail: 'uses v8 of "db" (fp-db-8)' });
      assert.ok(context.lines.includes('Consumer "orders" restart: restarted'));
    });

    it("can roll the same target twice, and back", async () => {
      const orders = consumer({ ...restarting(), adoption: { url: url() } });
      for (const target of [v7, v7, v8, v7]) {
        await orders.roll(target);
        assert.equal((await orders.confirm(target)).adopted, true);
      }
    });

    it("takes a restart after delivery for evidence, but only where this run has restarted it", async () => {
      const orders = consumer(restarting());
      assert.equal(orders.hasEvidence, true);
      await orders.roll(v7);
      assert.deepEqual(await orders.confirm(v7), { adopted: true, detail: "restarted after delivery" });
      assert.equal((await orders.confirm(v8)).adopted, false);
      const afterCrash = consumer(restarting());
      assert.match((await afterCrash.confirm(v7)).detail, /has to be rolled again/);
    });

    it("is neither pinned nor evidence without a delivered file", () => {
      const orders = consumer({ restart: { command: ["true"] }, wave: 2 });
      assert.deepEqual([orders.pinned, orders.hasEvidence, orders.wave], [false, false, 2]);
    });

    it("fails with exit code and last lines when the command fails, without secrets", async () => {
      const code = `const { secrets } = JSON.parse(require("fs").readFileSync(${JSON.stringify(file)}, "utf8"));
        for (let i = 0; i < 30; i++) console.log("line " + i);
        console.error("cannot log in with " + secrets.db.value.password);
        console.error(Buffer.from(secrets.db.value.password).toString("base64"));
        process.exit(3);`;
      const orders = consumer({ file, restart: { command: node(code) } });
      const error = await rejection(orders.roll(v7));
      assert.match(error.message, /ended with exit code 3; 0 is success/);
      assert.match(error.message, /cannot log in with \*\*\*\n {2}\*\*\*$/);
      assert.match(error.message, /The file ".*" holds v7 of "db"/);
      assert.doesNotMatch(error.message, /line 3\n/);
      assert.equal((await orders.confirm(v7)).adopted, false);
    });

    it("keeps secrets out of the log of a command that succeeds", async () => {
      const code = `console.log(require("fs").readFileSync(${JSON.stringify(file)}, "utf8"))`;
      await consumer({ file, restart: { command: node(code) } }).roll(v7);
      assert.match(context.lines.join("\n"), /fp-db-7/);
      assert.doesNotMatch(context.lines.join("\n"), /s3cret/);
    });

    it("runs the command without a shell, and without the environment of this process", async () => {
      process.env["ROTATION_TEST_ADMIN"] = "postgres://admin:pw@localhost";
      try {
        const code = `console.log(JSON.stringify([process.argv.slice(1), Object.keys(process.env).sort()]))`;
        const command = node(code, "$(id)", "a b; exit 1");
        await consumer({ restart: { command, env: { EXTRA: "1" } } }).roll(v7);
        const line = context.lines.find((text) => text.includes("EXTRA")) ?? "";
        assert.match(line, /\["\$\(id\)","a b; exit 1"\]/);
        assert.match(line, /"PATH"/);
        assert.doesNotMatch(line, /ROTATION_TEST_ADMIN/);
      } finally {
        delete process.env["ROTATION_TEST_ADMIN"];
      }
    });

    it("refuses a secret value on the command line or in the environment, before anything is changed", async () => {
      for (const restart of [
        { command: ["true", "--password=s3cret-password"] },
        { command: ["true"], env: { PASSWORD: "s3cret-password" } },
      ]) {
        await assert.rejects(consumer({ file, restart }).roll(v7), (error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.doesNotMatch(error.message, /s3cret/);
          return true;
        });
        assert.equal(fs.existsSync(file), false);
      }
    });

    it("fails when the command does not exist", async () => {
      const error = await rejection(consumer({ restart: { command: ["no-such-program-here"] } }).roll(v7));
      assert.match(error.message, /"no-such-program-here" does not exist; it is looked up in PATH, without a shell/);
    });

    it("ends a command that hangs, also one that ignores the request to end", async () => {
      const code = `process.on("SIGTERM", () => {}); console.log(process.pid); setInterval(() => {}, 1000)`;
      const error = await rejection(consumer({ restart: { command: node(code), timeout: "500ms" } }).roll(v7));
      assert.match(error.message, /did not end within 500 ms and was ended/);
      const pid = Number(/\n {2}(\d+)$/.exec(error.message)?.[1]);
      assert.ok(pid > 1);
      assert.throws(() => process.kill(pid, 0), /ESRCH/);
    });

    it("says by which signal a command was ended", async () => {
      const code = `process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)`;
      const error = await rejection(consumer({ restart: { command: node(code) } }).roll(v7));
      assert.match(error.message, /was ended by SIGKILL/);
    });

    it("lets the command finish when the run is cancelled, since a process that it has stopped has to come up again", async () => {
      const abort = new AbortController();
      context = makeContext(abort.signal);
      const stopped = path.join(folder, "stopped");
      const started = path.join(folder, "started");
      const write = (file: string) => `require("fs").writeFileSync(${JSON.stringify(file)}, "")`;
      const code = `${write(stopped)}; setTimeout(() => ${write(started)}, 300)`;
      const rolling = consumer({ restart: { command: node(code) } }).roll(v7);
      rolling.catch(() => undefined);
      while (!fs.existsSync(stopped)) await delay(10);
      abort.abort(new Error("cancelled by the user"));
      await assert.rejects(rolling, /cancelled by the user/);
      assert.ok(fs.existsSync(started));
    });

    it("ends a command that hangs when the run is cancelled", async () => {
      const abort = new AbortController();
      context = makeContext(abort.signal);
      const marker = path.join(folder, "pid");
      const code = `require("fs").writeFileSync(${JSON.stringify(marker)}, "" + process.pid); setInterval(() => {}, 1000)`;
      const rolling = consumer({ restart: { command: node(code) } }).roll(v7);
      rolling.catch(() => undefined);
      while (!fs.existsSync(marker) || fs.readFileSync(marker, "utf8") === "") await delay(10);
      abort.abort(new Error("cancelled by the user"));
      await assert.rejects(rolling, /cancelled by the user/);
      assert.throws(() => process.kill(Number(fs.readFileSync(marker, "utf8")), 0), /ESRCH/);
    });

    it("does not wait for, nor harm, a process that the command leaves running with its output open", async () => {
      const chatty = script("chatty.js", `setInterval(() => console.log("still here"), 20); ${APP}`);
      const orders = consumer({
        ...restarting(),
        restart: { ...restarting().restart, command: [process.execPath, script("restart.js", RESTART), chatty] },
      });
      const startedAt = Date.now();
      await orders.roll(v7);
      assert.ok(Date.now() - startedAt < 9000);
      const pid = Number(fs.readFileSync(pidFile, "utf8"));
      await delay(200);
      assert.equal(process.kill(pid, 0), true);
    });

    it("fails when the process never comes back", async () => {
      const options = { ...restarting(), readyTimeout: "400ms", restart: { command: ["true"] } };
      const error = await rejection(consumer(options).roll(v7));
      assert.match(error.message, /does not serve 400 ms after it was rolled: GET .*connection refused/);
      assert.match(error.message, /longer "readyTimeout"/);
    });

    it("fails when the process comes back ill, or accepts and never answers", async () => {
      const ill = await servers.http((_request, response) => response.writeHead(500).end());
      const command = ["true"];
      const first = consumer({ restart: { command }, ready: { url: ill.url }, readyTimeout: "200ms" });
      assert.match((await rejection(first.roll(v7))).message, /answered 500/);
      const mute = await servers.tcp(() => undefined);
      const startedAt = Date.now();
      const ready = { url: `http://127.0.0.1:${mute.port}/` };
      const second = consumer({ restart: { command }, ready, readyTimeout: "300ms" });
      assert.match((await rejection(second.roll(v7))).message, /no complete answer/);
      assert.ok(Date.now() - startedAt < 3000);
    });

    it("waits for a port, and for a body", async () => {
      const { port: open } = await servers.tcp(() => undefined);
      const command = ["true"];
      await consumer({ restart: { command }, ready: { tcp: { host: "127.0.0.1", port: open } } }).roll(v7);
      let asked = 0;
      const slow = await servers.http((_request, response) => response.end(++asked < 4 ? "starting" : "serving"));
      await consumer({ restart: { command }, ready: { url: slow.url, expectBody: "serving" } }).roll(v7);
      assert.equal(asked, 4);
    });
  });

  describe("signal", () => {
    const signalling = (): Partial<ProcessConsumerOptions> => ({ file, signal: { pidFile, name: "SIGHUP" } });

    it("signals the process, and asks it until it uses the target", async () => {
      const child = await startApp();
      const orders = consumer({ ...signalling(), ready: { url: url() }, adoption: { url: url() } });
      assert.deepEqual([orders.pinned, orders.hasEvidence], [true, true]);
      for (const target of [v7, v8, v8, v7]) {
        await orders.roll(target);
        assert.equal((await orders.confirm(target)).adopted, true);
      }
      assert.equal(child.exitCode, null);
    });

    it("is no evidence by itself", async () => {
      await startApp();
      const orders = consumer(signalling());
      assert.equal(orders.hasEvidence, false);
      await orders.roll(v7);
      const adoption = await orders.confirm(v7);
      assert.equal(adoption.adopted, false);
      assert.match(adoption.detail, /no evidence of the version in use: it was only signalled/);
    });

    it("is not adopted when the process keeps using another version", async () => {
      await startApp();
      const orders = consumer({ ...signalling(), adoption: { url: url() }, adoptionTimeout: "400ms" });
      await orders.roll(v7);
      assert.equal((await orders.confirm(v7)).adopted, true);
      const adoption = await orders.confirm(v8);
      assert.equal(adoption.adopted, false);
      assert.match(adoption.detail, /not within 400 ms: uses the fingerprints fp-db-7; wanted exactly fp-db-8/);
    });

    it("fails when the pid file is missing, holds no process id, or names a dead process", async () => {
      const orders = consumer(signalling());
      const missing = await rejection(orders.roll(v7));
      assert.match(missing.message, /could not be signalled: the pid file ".*" does not exist/);
      assert.match(missing.message, /The file ".*" holds v7 of "db"/);
      for (const content of ["", "0", "1", "-5", "abc"]) {
        fs.writeFileSync(pidFile, content);
        assert.match((await rejection(orders.roll(v7))).message, /holds no process id greater than 1/);
      }
      fs.rmSync(pidFile);
      const child = await startApp();
      child.kill("SIGKILL");
      await once(child, "exit");
      const dead = await rejection(orders.roll(v8));
      assert.match(dead.message, /process \d+, which the pid file ".*" names, is not running/);
      assert.match(fs.readFileSync(file, "utf8"), /fp-db-8/);
    });

    it("fails when the signal ends the process", async () => {
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
      children.push(child);
      fs.writeFileSync(pidFile, `${child.pid}\n`);
      const error = await rejection(consumer(signalling()).roll(v7));
      assert.match(error.message, /process \d+ ended after it got SIGHUP/);
    });

    it("fails when the process was killed and does not serve again", async () => {
      await startApp();
      const orders = consumer({ ...signalling(), ready: { url: url() }, readyTimeout: "300ms" });
      await orders.roll(v7);
      const signal = { pidFile, name: "SIGTERM" as const };
      const killed = consumer({ file, signal, ready: { url: url() }, readyTimeout: "300ms", interval: "100ms" });
      assert.match((await rejection(killed.roll(v8))).message, /connection refused|closed without an answer/);
    });

    it("delivers to an optional process that is not running, which then starts with the target", async () => {
      const adoption = { url: url() };
      const orders = consumer({ ...signalling(), optional: true, ready: { url: url() }, adoption });
      await orders.roll(v7);
      assert.match(context.lines.join("\n"), /is not running .*reads the file when it starts/);
      const absent = await orders.confirm(v7);
      assert.equal(absent.adopted, true);
      assert.match(absent.detail, /not running; its file holds v7 of "db"/);
      await startApp();
      assert.deepEqual(await orders.confirm(v7), { adopted: true, detail: 'uses v7 of "db" (fp-db-7)' });
    });

    it("does not take an optional process that was killed after the roll for one that is not running yet", async () => {
      const child = await startApp();
      const orders = consumer({ ...signalling(), optional: true, adoption: { url: url() }, adoptionTimeout: "200ms" });
      await orders.roll(v7);
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.equal((await orders.confirm(v7)).adopted, false);
    });

    it("fails for an optional process whose pid file is wrong", async () => {
      fs.writeFileSync(pidFile, "garbage");
      await rejection(consumer({ ...signalling(), optional: true }).roll(v7));
    });
  });

  it("stops waiting when the run is cancelled", async () => {
    const abort = new AbortController();
    context = makeContext(abort.signal);
    const orders = consumer({ file, adoption: { url: url() } });
    await orders.roll(v7);
    const confirming = orders.confirm(v7);
    setTimeout(() => abort.abort(new Error("cancelled by the user")), 100);
    await assert.rejects(confirming, (error: Error) => /cancelled|abort/i.test(error.message));
  });

  it("shows progress in a long wait at most every ten seconds", async () => {
    let time = 0;
    const sleep = (ms: number) => Promise.resolve(void (time += ms));
    context = { ...context, clock: { now: () => time, sleep } };
    const orders = consumer({ file, adoption: { url: url() }, interval: "1s", adoptionTimeout: "35s" });
    assert.equal((await orders.confirm(v7)).adopted, false);
    assert.equal(context.lines.length, 3);
    assert.match(
      context.lines[0] ?? "",
      /Waiting for consumer "orders" to use v7 of "db" for 10 seconds, 25 seconds left: .*connection refused/,
    );
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const refuse = (options: object) =>
      problems(processConsumerOptions.safeParse({ type: "process", name: "orders", ...options }));
    const signal = { pidFile: "/run/a.pid", name: "SIGHUP" };
    assert.equal(refuse({ file: "/run/c.json" }), "");
    assert.match(refuse({}), /needs at least one of file, restart, signal and adoption/);
    assert.match(refuse({ restart: { command: ["a"] }, signal }), /exclude each other/);
    assert.match(refuse({ restart: { command: "systemctl restart a" } }), /command must be a list of program/);
    assert.match(refuse({ restart: { command: [] } }), /must name a program/);
    assert.match(refuse({ signal: { ...signal, name: "SIGKILL" } }), /one of SIGHUP, .* it is "SIGKILL"/);
    assert.match(refuse({ signal, optional: true }), /optional needs file and signal/);
    assert.match(refuse({ signal, owner: { uid: 1, gid: 1 } }), /owner has no effect without file/);
    assert.match(refuse({ signal, ready: { tcp: { host: "a", port: 0 } } }), /port|ready must be/);
    assert.match(refuse({ file: "/c", readyTimeout: "soon" }), /readyTimeout must be a duration .* it is "soon"/);
    assert.match(refuse({ file: "/c", shell: true }), /no option "shell"; allowed are: type, name, wave/);
  });
});
