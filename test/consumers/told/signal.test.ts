import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  createSignalConsumer,
  signalConsumerOptions,
  type Identify,
  type SignalConsumerOptions,
} from "../../../provider/consumers/signal";
import { identify, parseIdentity } from "../../../provider/consumers/signal/identity";
import { ConsumerError } from "../../../provider/lifecycle/errors";
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

/**
 * A process that writes each signal into its first argument, and its id into the second when it can be signalled. What
 * it does on SIGHUP besides is its third.
 */
const APP = `
const fs = require("node:fs");
const [notes, pidFile, onHup] = process.argv.slice(2);
for (const name of ["SIGHUP", "SIGUSR1"])
  process.on(name, () => {
    fs.appendFileSync(notes, name + "\\n");
    if (name !== "SIGHUP") return;
    if (onHup === "exit") process.exit(1);
    if (onHup !== "renew") return;
    const { spawn } = require("node:child_process");
    spawn(process.execPath, [__filename, notes, pidFile], { stdio: "ignore" }).unref();
    const seen = setInterval(() => fs.readFileSync(pidFile, "utf8") !== process.pid + "\\n" && process.exit(0), 5);
  });
fs.writeFileSync(pidFile, process.pid + "\\n");
setTimeout(() => process.exit(0), 30000);
`;

const onLinux = process.platform === "linux";

describe("signal consumer", () => {
  const servers = new Servers();
  const v7 = targetOf(version("db", 7, { username: "orders_v7", password: "s3cret-password" }));
  let folder: string;
  let notes: string;
  let pidFile: string;
  let context: TestContext;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = makeFolder();
    notes = path.join(folder, "notes");
    pidFile = path.join(folder, "app.pid");
    context = makeContext();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await end(child);
    await servers.closeAll();
    removeFolder(folder);
  });

  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** The app, ready to be signalled. */
  async function startApp(onHup = ""): Promise<ChildProcess> {
    const app = path.join(folder, "app.js");
    fs.writeFileSync(app, APP);
    const child = spawn(process.execPath, [app, notes, pidFile, onHup], { stdio: "ignore" });
    children.push(child);
    while (!fs.existsSync(pidFile) || fs.readFileSync(pidFile, "utf8") === "") await delay(10);
    return child;
  }

  function consumer(options: Partial<SignalConsumerOptions> = {}, find?: Identify, within = context) {
    const given = { type: "signal", name: "orders", pidFile, interval: "200ms", ...options };
    return createSignalConsumer(signalConsumerOptions.parse(given), within, find);
  }

  const received = () => (fs.existsSync(notes) ? fs.readFileSync(notes, "utf8").trimEnd().split("\n") : []);

  /** As if the pid file had been written that long ago. */
  const age = (seconds: number) => fs.utimesSync(pidFile, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);

  const refused = async (options: Partial<SignalConsumerOptions> = {}, find?: Identify) => {
    const { message } = await rejection(consumer(options, find).roll(v7), ConsumerError);
    assert.match(
      message,
      /^Consumer "orders" could not be signalled: .* It was to use v7 of "db", and nothing was sent/,
    );
    return message;
  };

  it("sends the process SIGHUP, once, and lets it run", async () => {
    const child = await startApp();
    await consumer().roll(v7);
    assert.deepEqual(received(), ["SIGHUP"]);
    assert.equal(child.exitCode, null);
  });

  it("sends the signal that it is told", async () => {
    await startApp();
    await consumer({ signal: "SIGUSR1" }).roll(v7);
    assert.deepEqual(received(), ["SIGUSR1"]);
  });

  it("refuses a pid file whose process has ended and whose id is another one's by now", async function () {
    if (!onLinux) return this.skip();
    await startApp();
    // The file is an hour older than the process that has the id today.
    age(3600);
    assert.match(await refused(), /started after the pid file was written, so its id was used again by another one/);
    age(0);
    await consumer().roll(v7);
    assert.deepEqual(received(), ["SIGHUP"], "only the file that was written after the start is believed");
  });

  it("refuses a process that runs another program than the one that is named", async function () {
    if (!onLinux) return this.skip();
    const child = await startApp();
    const own = await identify(child.pid ?? 0);
    assert.ok(typeof own === "object");
    assert.match(await refused({ program: "nginx" }), /process \d+ runs ".+", not "nginx"/);
    assert.deepEqual(received(), []);
    await consumer({ program: own.program }).roll(v7);
    assert.deepEqual(received(), ["SIGHUP"]);
  });

  it("refuses a pid file that is missing, unreadable or names no process that it may signal", async () => {
    assert.match(await refused(), /the pid file ".*app\.pid" does not exist/);
    fs.mkdirSync(pidFile);
    assert.match(await refused(), /the pid file ".*app\.pid" cannot be read \(EISDIR\)/);
    fs.rmdirSync(pidFile);
    for (const content of ["", "0\n", "1\n", "-5\n", "orders\n", "12 34\n"]) {
      fs.writeFileSync(pidFile, content);
      assert.match(await refused(), /holds no process id greater than 1 in its first line/);
    }
  });

  it("refuses a process that is gone", async () => {
    await end(await startApp());
    assert.match(await refused(), /process \d+, which the pid file ".*app\.pid" names, is not running/);
  });

  it("fails when the process ends by the signal", async () => {
    await startApp("exit");
    const { message } = await rejection(consumer({ interval: "600ms" }).roll(v7), ConsumerError);
    assert.match(message, /process \d+ ended after it got SIGHUP\. It was to use v7 of "db"\. Start it again/);
    assert.deepEqual(received(), ["SIGHUP"]);
  });

  it("follows a process that starts itself anew and writes its new id", async () => {
    const child = await startApp("renew");
    const ended = once(child, "exit");
    try {
      await consumer({ interval: "2s" }).roll(v7);
      await ended;
      assert.notEqual(fs.readFileSync(pidFile, "utf8"), `${child.pid}\n`);
    } finally {
      const next = Number(fs.readFileSync(pidFile, "utf8"));
      if (next !== child.pid) process.kill(next, "SIGKILL");
    }
  });

  it("signals where the platform does not tell what a process is, unless a program is named", async () => {
    await startApp();
    const untold: Identify = () => Promise.resolve("unknown");
    await consumer({}, untold).roll(v7);
    assert.deepEqual(received(), ["SIGHUP"]);
    assert.match(await refused({ program: "node" }, untold), /does not tell what process \d+ runs/);
    assert.deepEqual(received(), ["SIGHUP"]);
  });

  it("sends nothing after the run was cancelled, and ends at once when it is cancelled after the signal", async () => {
    await startApp();
    const abort = new AbortController();
    const cancelled = { ...context, signal: abort.signal };
    const rolling = consumer({ interval: "30s" }, undefined, cancelled).roll(v7);
    const ended = assert.rejects(rolling, (error: Error) => error.name === "AbortError");
    while (received().length === 0) await delay(10);
    const startedAt = Date.now();
    abort.abort();
    await ended;
    assert.ok(Date.now() - startedAt < 2000);
    await assert.rejects(consumer({}, undefined, cancelled).roll(v7), (error: Error) => error.name === "AbortError");
    assert.deepEqual(received(), ["SIGHUP"]);
  });

  it("is no evidence by itself, and adopted when its adoption address says so", async () => {
    const silent = consumer();
    assert.equal(silent.hasEvidence, false);
    assert.match((await silent.confirm(v7)).detail, /no evidence of the version in use: it was only signalled/);
    const app = await servers.http((_request, response) => response.end('{"fingerprint":"fp-db-7"}'));
    const orders = consumer({ adoption: { url: app.url } });
    assert.equal(orders.hasEvidence, true);
    assert.deepEqual(await orders.confirm(v7), { adopted: true, detail: 'uses v7 of "db" (fp-db-7)' });
  });

  it("reads what a process is called whatever its name has in it, and when it started", async function () {
    const fields = `S 1 ${"0 ".repeat(17)}250 9 9`;
    const machine = "cpu 1 2\nbtime 1000\nprocesses 5\n";
    assert.deepEqual(parseIdentity(7, `7 (a) (b c) ${fields}`, machine), {
      pid: 7,
      startedAt: 1_002_500,
      program: "a) (b c",
    });
    assert.equal(parseIdentity(7, "7 S", machine), undefined);
    assert.equal(parseIdentity(7, `7 (a) ${fields}`, "no such line"), undefined);
    if (!onLinux) return this.skip();
    const startedAt = Date.now();
    const child = await startApp();
    const found = await identify(child.pid ?? 0);
    assert.ok(typeof found === "object");
    assert.ok(Math.abs(found.startedAt - startedAt) < 3000, `it started ${found.startedAt - startedAt} ms from now`);
    await end(child);
    assert.equal(await identify(child.pid ?? 0), undefined);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const good = { type: "signal", name: "orders", pidFile: "/run/orders.pid" };
    const refuse = (options: object) => problems(signalConsumerOptions.safeParse({ ...good, ...options }));
    assert.equal(refuse({ signal: "SIGUSR2", program: "orders" }), "");
    assert.match(refuse({ pidFile: undefined }), /pidFile must be a text of 1 to 4096 characters; it is missing/);
    assert.match(refuse({ signal: "SIGKILL" }), /signal must be one of SIGHUP, .*; it is "SIGKILL"/);
    assert.match(refuse({ program: "/usr/sbin/nginx" }), /program must be a name without a folder, such as "nginx"/);
    assert.match(refuse({ restart: true }), /a signal consumer has no option "restart"; allowed are: type, name/);
  });
});
