/** The client for applications: real files, set time. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";
import {
  adoptionHandler,
  adoptionReport,
  fromFile,
  fromFolder,
  fromFunction,
  openSecret,
  SecretError,
  type ClientClock,
  type Fields,
  type OpenSecretOptions,
  type SecretSource,
} from "../../client";
import type { RollTarget } from "../../provider/contracts/consumer";
import { deliver as deliverAsTheLibrary } from "../../provider/consumers/process/deliver";
import { askAdoption } from "../../provider/net/adoption";

const PASSWORD = "the-password-of-version";

/** Time stands still until it is moved. */
class SetClock implements ClientClock {
  private time = 1_000_000;
  private readonly sleepers = new Set<{ at: number; wake: () => void }>();
  private readonly timers = new Set<{ at: number; ms: number; action: () => void }>();
  /** Called when somebody sleeps. */
  onSleep: (ms: number) => void = () => undefined;
  get repeating(): number {
    return this.timers.size;
  }
  now(): number {
    return this.time;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { at: this.time + ms, wake: resolve };
      this.sleepers.add(sleeper);
      signal?.addEventListener("abort", () => resolve());
      this.onSleep(ms);
    });
  }
  every(ms: number, action: () => void): () => void {
    const timer = { at: this.time + ms, ms, action };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }
  advance(ms: number): void {
    this.time += ms;
    for (const sleeper of this.sleepers) if (sleeper.at <= this.time && this.sleepers.delete(sleeper)) sleeper.wake();
    for (const timer of this.timers)
      if (timer.at <= this.time) {
        timer.at = this.time + timer.ms;
        timer.action();
      }
  }
}

class Refused extends Error {}
const isAuthenticationFailure = (error: unknown) => error instanceof Refused;

describe("the client for applications", () => {
  let folder: string;
  let file: string;
  let clock: SetClock;
  let closings: (() => void)[];

  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), "rotation-client-"));
    file = join(folder, "db.json");
    clock = new SetClock();
    closings = [];
  });
  afterEach(() => {
    for (const close of closings) close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const valueOf = (version: number) => ({ username: `app_v${version}`, password: `${PASSWORD}-${version}` });
  const targetOf = (version: number, name = "orders-db"): RollTarget =>
    ({
      secrets: [{ secret: name, ref: { version }, fingerprint: `f${version}`, issued: {}, value: valueOf(version) }],
    }) as unknown as RollTarget;
  const deliver = (version: number, name?: string) =>
    deliverAsTheLibrary("app", file, undefined, targetOf(version, name));

  /** Without the file system's events, so that only what the test does counts. */
  const unwatched = <Value>(source: SecretSource<Value>): SecretSource<Value> => {
    const { watch: _, ...rest } = source;
    return rest;
  };
  /** That counts how often it is read. */
  const counted = <Value>(source: SecretSource<Value>) => {
    const counts = { reads: 0, looks: 0 };
    const { look } = source;
    const counting: SecretSource<Value> = {
      ...source,
      read: (request) => (counts.reads++, source.read(request)),
      ...(look ? { look: () => (counts.looks++, look()) } : {}),
    };
    return Object.assign(counts, { source: counting });
  };
  const open = <Value>(options: OpenSecretOptions<Value>) => {
    const secret = openSecret({ clock, random: () => 0, isAuthenticationFailure, ...options });
    closings.push(() => secret.close());
    return secret;
  };
  /** A server that takes some versions only. */
  const server = (...taken: number[]) => {
    const accepted = new Set(taken.map((version) => `app_v${version}`));
    const state = { accepted, logins: 0, login: (_value: Fields): Promise<string> => Promise.resolve("") };
    state.login = async (value) => {
      state.logins++;
      await Promise.resolve();
      if (!accepted.has(value["username"] ?? "")) throw new Refused(`no ${value["username"]}`);
      return value["username"] ?? "";
    };
    return state;
  };

  describe("a delivered file", () => {
    it("is read when it is needed, once, and again when it has changed", async () => {
      await deliver(1);
      const seen = counted(unwatched(fromFile(file)));
      const secret = open({ source: seen.source });
      assert.equal(seen.reads, 0);
      assert.deepEqual({ ...(await secret.current()) }, valueOf(1));
      assert.deepEqual([secret.name, secret.version], ["orders-db", 1]);
      for (let use = 0; use < 10; use++) await secret.withSecret(server(1).login);
      assert.equal(seen.reads, 1);
      await deliver(2);
      assert.equal((await secret.current())["username"], "app_v1", "it is looked at once a second");
      clock.advance(1000);
      assert.equal((await secret.current())["username"], "app_v2");
      assert.deepEqual([seen.reads, secret.version], [2, 2]);
    });

    it("is noticed by the file system's events, long before anybody looks", async () => {
      await deliver(1);
      const secret = openSecret({ source: fromFile(file), maxAge: 3_600_000 });
      closings.push(() => secret.close());
      await secret.current();
      const changed = new Promise<Fields>((resolve) => secret.onChange(resolve));
      await deliver(2);
      assert.equal((await changed)["username"], "app_v2");
    });

    it("is noticed without events and without work", async () => {
      await deliver(1);
      const secret = open({ source: unwatched(fromFile(file)) });
      await secret.current();
      const changed = new Promise<Fields>((resolve) => secret.onChange(resolve));
      await deliver(2);
      clock.advance(1000);
      assert.equal((await changed)["username"], "app_v2");
    });

    it("that is half written changes nothing, until it is whole", async () => {
      await deliver(2);
      const next = fs.readFileSync(file, "utf8");
      await deliver(1);
      const problems: string[] = [];
      const secret = open({ source: unwatched(fromFile(file)), onProblem: (error) => problems.push(error.message) });
      await secret.current();
      for (const length of [0, 1, next.length - 60, next.length - 3]) {
        fs.writeFileSync(file, next.slice(0, length));
        clock.advance(60_000);
        assert.equal((await secret.current())["username"], "app_v1", `${length} of ${next.length}`);
      }
      assert.match(problems[0] ?? "", /no whole JSON/);
      fs.writeFileSync(file, next);
      clock.advance(1000);
      assert.deepEqual({ ...(await secret.current()) }, valueOf(2));
    });

    it("that is half written when the process starts is waited for", async () => {
      await deliver(1);
      const whole = fs.readFileSync(file, "utf8");
      fs.writeFileSync(file, whole.slice(0, 40));
      clock.onSleep = (ms) => {
        if (ms > 1000) return;
        fs.writeFileSync(file, whole);
        clock.advance(ms);
      };
      // Whoever sleeps is entered before it is told.
      assert.equal((await open({ source: unwatched(fromFile(file)) }).current())["username"], "app_v1");
    });

    it("is never taken as a mixture while somebody writes it again and again, in place and by renaming", async () => {
      const { stop } = await writer(
        `
        const text = (v) => JSON.stringify({ secrets: { s: { version: v, fingerprint: "f" + v, value: {
          a: "v" + v, filler: "x".repeat(150000), z: "v" + v } } } });
        return (v) => {
          if (v % 2) { fs.writeFileSync(file + ".tmp", text(v)); fs.renameSync(file + ".tmp", file); return; }
          const fd = fs.openSync(file, "w");
          const whole = text(v);
          fs.writeSync(fd, whole.slice(0, 70000)); fs.writeSync(fd, whole.slice(70000));
          fs.closeSync(fd);
        };`,
        { file },
      );
      const seen = await sample(fromFile(file), ({ value, version }) => {
        assert.deepEqual([value["a"], value["z"]], [`v${version}`, `v${version}`]);
        return String(version);
      });
      await stop();
      assert.ok(seen.size > 20, `${seen.size} versions`);
    });

    it("that is overwritten in the middle of a read, with as many bytes, is read again", async () => {
      await deliver(1);
      fs.utimesSync(file, 1000, 1000);
      const [first, second] = [fs.readFileSync(file, "utf8"), fs.readFileSync(file, "utf8").replaceAll("1", "2")];
      const middle = first.indexOf('"password"');
      const whole = await fs.promises.open(file);
      const handles = Object.getPrototypeOf(whole) as { readFile: (...args: unknown[]) => Promise<unknown> };
      await whole.close();
      const { readFile } = handles;
      let reads = 0;
      // What a read in two steps gets, with the writer in between.
      handles.readFile = async function (...args) {
        if (reads++ > 0) return readFile.apply(this, args);
        const fd = fs.openSync(file, "r+");
        fs.writeSync(fd, second);
        fs.closeSync(fd);
        return first.slice(0, middle) + second.slice(middle);
      };
      clock.onSleep = (ms) => setImmediate(() => ms < 1000 && clock.advance(ms));
      try {
        assert.deepEqual({ ...(await open({ source: unwatched(fromFile(file)) }).current()) }, valueOf(2));
      } finally {
        handles.readFile = readFile;
      }
      assert.equal(reads, 2);
    });

    it("with several secrets needs a name; what is wrong is said without a value", async () => {
      const entry = (version: number) => ({ version, fingerprint: `f${version}`, value: valueOf(version) });
      fs.writeFileSync(file, JSON.stringify({ secrets: { a: entry(1), b: entry(2) } }));
      assert.equal((await open({ source: fromFile(file), name: "b" }).current())["username"], "app_v2");
      const cases: [string, string | undefined, RegExp][] = [
        [fs.readFileSync(file, "utf8"), undefined, /holds these secrets: "a", "b"\. Tell openSecret which/],
        [fs.readFileSync(file, "utf8"), "c", /holds no secret "c"; it holds "a", "b"/],
        [`{"secrets": {"a": {"value": {"password": "${PASSWORD}"`, undefined, /no whole JSON/],
        [JSON.stringify({ password: PASSWORD }), undefined, /not what a process consumer is given/],
        [JSON.stringify({ secrets: { a: { ...entry(1), value: { password: [PASSWORD] } } } }), undefined, /not what a/],
      ];
      clock.onSleep = (ms) => {
        if (ms < 1000) clock.advance(ms);
      };
      for (const [content, name, message] of cases) {
        fs.writeFileSync(file, content);
        const secret = open({ source: unwatched(fromFile(file)), ...(name === undefined ? {} : { name }) });
        await assert.rejects(secret.current(), (error: unknown) => {
          assert.ok(error instanceof SecretError);
          assert.match(error.message, message);
          assert.ok(!inspect(error, { depth: 10 }).includes(PASSWORD));
          return true;
        });
      }
    });

    it("that is not there yet is taken once it is, and a deleted one leaves what was read", async () => {
      const secret = open({ source: unwatched(fromFile(file)) });
      await assert.rejects(secret.current(), /does not exist: nothing was delivered yet/);
      await deliver(1);
      assert.equal((await secret.current())["username"], "app_v1", "no window holds up what has appeared");
      fs.rmSync(file);
      clock.advance(60_000);
      assert.equal((await secret.current())["username"], "app_v1");
      await deliver(2);
      clock.advance(1000);
      assert.equal((await secret.current())["username"], "app_v2");
    });
  });

  describe("a mounted folder", () => {
    let mount: string;
    /** As the kubelet does: a new folder, and then the link is swapped. */
    const publish = (version: number) => {
      const data = join(mount, `..v${version}`);
      fs.mkdirSync(data, { recursive: true });
      for (const [name, text] of Object.entries(valueOf(version))) fs.writeFileSync(join(data, name), text);
      return () => {
        fs.symlinkSync(`..v${version}`, join(mount, "..data_tmp"));
        fs.renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
        for (const name of Object.keys(valueOf(version)))
          if (!fs.existsSync(join(mount, name))) fs.symlinkSync(join("..data", name), join(mount, name));
      };
    };
    beforeEach(() => {
      mount = join(folder, "mount");
    });

    it("gives the fields of one version, and those of the next after the link was swapped", async () => {
      publish(1)();
      const secret = open({ source: unwatched(fromFolder(mount)) });
      assert.deepEqual({ ...(await secret.current()) }, valueOf(1));
      const swap = publish(2);
      clock.advance(1000);
      assert.deepEqual({ ...(await secret.current()) }, valueOf(1), "nothing of what is only prepared");
      swap();
      clock.advance(1000);
      assert.deepEqual({ ...(await secret.current()) }, valueOf(2));
    });

    it("is noticed by the file system's events", async () => {
      publish(1)();
      const secret = openSecret({ source: fromFolder(mount), maxAge: 3_600_000 });
      closings.push(() => secret.close());
      await secret.current();
      const changed = new Promise<Fields>((resolve) => secret.onChange(resolve));
      publish(2)();
      assert.equal((await changed)["username"], "app_v2");
    });

    it("never gives a mixture while it is swapped again and again, and what was swapped out removed", async () => {
      fs.mkdirSync(mount);
      const { stop } = await writer(
        `
        const names = [..."abcdefgh"];
        return (v) => {
          const data = path.join(file, "..v" + v);
          fs.mkdirSync(data);
          for (const name of names) fs.writeFileSync(path.join(data, name), "v" + v);
          fs.symlinkSync("..v" + v, path.join(file, "..data_tmp"));
          fs.renameSync(path.join(file, "..data_tmp"), path.join(file, "..data"));
          const old = path.join(file, "..v" + (v - 1));
          if (v > 1) { for (const name of names) fs.rmSync(path.join(old, name)); fs.rmdirSync(old); }
        };`,
        { file: mount },
      );
      const seen = await sample(fromFolder(mount), ({ value }) => {
        const versions = new Set(Object.values(value));
        assert.deepEqual([Object.keys(value).length, versions.size], [8, 1], inspect({ ...value }));
        return [...versions][0]!;
      });
      await stop();
      assert.ok(seen.size > 20, `${seen.size} versions`);
    });

    it("that is swapped and half removed before its files are listed is read again", async () => {
      publish(1)();
      const { readdir } = fs.promises;
      let lists = 0;
      const patched = (async (...args: Parameters<typeof readdir>) => {
        if (lists++ === 0) {
          publish(2)();
          fs.rmSync(join(mount, "..v1", "password"));
        }
        return readdir(...args);
      }) as typeof readdir;
      fs.promises.readdir = patched;
      clock.onSleep = (ms) => setImmediate(() => ms < 1000 && clock.advance(ms));
      try {
        assert.deepEqual({ ...(await open({ source: unwatched(fromFolder(mount)) }).current()) }, valueOf(2));
      } finally {
        fs.promises.readdir = readdir;
      }
      assert.equal(lists, 2);
    });

    it("may be a link to a folder, and must not be a plain folder, whose files may be of two versions", async () => {
      const plain = join(folder, "plain");
      fs.mkdirSync(plain);
      fs.writeFileSync(join(plain, "password"), PASSWORD);
      await assert.rejects(open({ source: fromFolder(plain) }).current(), (error: Error) => {
        assert.match(error.message, /neither a mounted Secret .* nor a symbolic link/);
        assert.ok(!error.message.includes(PASSWORD));
        return true;
      });
      fs.symlinkSync(plain, mount);
      assert.deepEqual({ ...(await open({ source: fromFolder(mount) }).current()) }, { password: PASSWORD });
    });

    it("is not reported: its files do not say their fingerprint", async () => {
      publish(1)();
      const secret = open({ source: fromFolder(mount), name: "orders-db" });
      await secret.withSecret(server(1).login);
      assert.equal(adoptionReport(secret), undefined);
    });

    it("is reported by the fingerprint that the pod was given with it, as long as it is as it was", async () => {
      publish(1)();
      const source = unwatched(fromFolder(mount, { fingerprint: "f1" }));
      const secret = open({ source, name: "orders-db" });
      const { login } = server(1, 2);
      await secret.withSecret(login);
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f1"] } });
      publish(2)();
      clock.advance(1000);
      await secret.withSecret(login);
      assert.equal(adoptionReport(secret), undefined);
    });
  });

  describe("an authentication failure", () => {
    it("reads once more, and the work is done again with the other value", async () => {
      let version = 1;
      const { source, ...seen } = split(counted(fromFunction(async () => valueOf(version))));
      const secret = open({ source });
      const { login, accepted } = server(1);
      await secret.withSecret(login);
      version = 2;
      accepted.clear();
      accepted.add("app_v2");
      assert.equal(await secret.withSecret(login), "app_v2");
      assert.equal(seen.reads(), 2);
      assert.equal(await secret.withSecret(login), "app_v2");
      assert.equal(seen.reads(), 2);
    });

    it("that another value does not cure is passed on, and the source is left alone until the window is over", async () => {
      const { source, ...seen } = split(counted(fromFunction(async () => valueOf(1))));
      const secret = open({ source });
      const state = server();
      const fail = () => assert.rejects(secret.withSecret(state.login), Refused);
      await fail();
      assert.deepEqual([seen.reads(), state.logins], [2, 1], "the first read, and one for the failure");
      const readsAfter = async (ms: number) => {
        clock.advance(ms);
        for (let use = 0; use < 20; use++) await fail();
        return seen.reads();
      };
      assert.equal(await readsAfter(0), 2);
      assert.equal(await readsAfter(999), 2);
      assert.equal(await readsAfter(1), 3, "1 s after the first");
      assert.equal(await readsAfter(1999), 3);
      assert.equal(await readsAfter(1), 4, "then 2 s");
      assert.equal(await readsAfter(4000), 5);
      assert.equal(await readsAfter(8000), 6);
      assert.equal(await readsAfter(16_000), 7);
      assert.equal(await readsAfter(29_999), 7);
      assert.equal(await readsAfter(1), 8, "30 s at most");
      state.accepted.add("app_v1");
      await secret.withSecret(state.login);
      state.accepted.clear();
      assert.equal(await readsAfter(0), 8, "the window that is open stays open");
      assert.equal(await readsAfter(30_000), 9);
      assert.equal(await readsAfter(1000), 10, "after a success the next one is short again");
    });

    it("has windows that are up to a half shorter by chance", async () => {
      const { source, ...seen } = split(counted(fromFunction(async () => valueOf(1))));
      const secret = open({ source, random: () => 1 });
      const fail = () => assert.rejects(secret.withSecret(server().login), Refused);
      await fail();
      clock.advance(499);
      await fail();
      assert.equal(seen.reads(), 2);
      clock.advance(1);
      await fail();
      assert.equal(seen.reads(), 3);
    });

    it("of much work at the same time leads to one read, and all is done again", async () => {
      let version = 1;
      const { source, ...seen } = split(counted(fromFunction(async () => valueOf(version))));
      const secret = open({ source });
      const { login, accepted } = server(1);
      await secret.withSecret(login);
      version = 2;
      accepted.clear();
      accepted.add("app_v2");
      const results = await Promise.all(Array.from({ length: 50 }, () => secret.withSecret(login)));
      assert.deepEqual(new Set(results), new Set(["app_v2"]));
      assert.equal(seen.reads(), 2);
    });

    it("is cured by what somebody else has read meanwhile, without a read of its own", async () => {
      await deliver(1);
      const { source, ...seen } = split(counted(unwatched(fromFile(file))));
      const secret = open({ source });
      let refuse: (error: Error) => void = () => undefined;
      const attempts: string[] = [];
      const slow = secret.withSecret((value) => {
        attempts.push(value["username"]!);
        return attempts.length > 1 ? undefined : new Promise((_, reject) => (refuse = reject));
      });
      await secret.current();
      await deliver(2);
      clock.advance(1000);
      await secret.current();
      refuse(new Refused());
      await slow;
      assert.deepEqual(attempts, ["app_v1", "app_v2"]);
      assert.equal(seen.reads(), 2);
    });

    it("finds a file that has changed also while the window is open", async () => {
      await deliver(1);
      const secret = open({ source: unwatched(fromFile(file)) });
      const { login, accepted } = server();
      await assert.rejects(secret.withSecret(login), Refused);
      await deliver(2);
      accepted.add("app_v2");
      assert.equal(await secret.withSecret(login), "app_v2");
    });

    it("is tried again once only, and no other error is tried again", async () => {
      let version = 1;
      const secret = open({ source: fromFunction(async () => valueOf(version++)) });
      const state = server();
      await assert.rejects(secret.withSecret(state.login), Refused);
      assert.deepEqual([state.logins, version], [2, 3]);
      let attempts = 0;
      const broken = () => {
        attempts++;
        throw new Error("permission denied for table orders");
      };
      await assert.rejects(secret.withSecret(broken), /permission denied/);
      assert.deepEqual([attempts, version], [1, 3]);
    });
  });

  describe("a function", () => {
    it("is asked at a cold start once, however many ask, and again when its value is too old", async () => {
      const { source, ...seen } = split(counted(fromFunction(async () => valueOf(1))));
      const secret = open({ source });
      await Promise.all(Array.from({ length: 20 }, () => secret.current()));
      assert.equal(seen.reads(), 1);
      clock.advance(299_999);
      await secret.current();
      assert.equal(seen.reads(), 1);
      clock.advance(1);
      await Promise.all(Array.from({ length: 20 }, () => secret.current()));
      assert.equal(seen.reads(), 2);
      assert.equal(clock.repeating, 0, "no timer is needed");
    });

    it("that fails is not asked again until the window is over, and what was read is used on", async () => {
      let works = false;
      const { source, ...seen } = split(
        counted(
          fromFunction(async () => {
            if (works) return valueOf(1);
            throw Object.assign(new Error(`not ${PASSWORD}`), { name: "AccessDeniedException" });
          }),
        ),
      );
      const problems: Error[] = [];
      const secret = open({ source, onProblem: (error) => problems.push(error) });
      for (let use = 0; use < 5; use++)
        await assert.rejects(secret.current(), (error: Error) => {
          assert.match(error.message, /cannot be read from the application's function: AccessDeniedException/);
          assert.ok(!inspect(error, { depth: 10 }).includes(PASSWORD));
          return true;
        });
      assert.equal(seen.reads(), 1);
      works = true;
      clock.advance(1000);
      await secret.current();
      assert.equal(seen.reads(), 2);
      works = false;
      clock.advance(300_000);
      for (let use = 0; use < 5; use++) assert.equal((await secret.current())["username"], "app_v1");
      assert.deepEqual([seen.reads(), problems.length], [3, 2]);
    });

    it("that never answers is waited for as long as it is told, and is told to stop", async () => {
      let stopped = false;
      const source = fromFunction((signal) => {
        signal.addEventListener("abort", () => (stopped = true));
        return new Promise<Fields>(() => undefined);
      });
      clock.onSleep = (ms) => setImmediate(() => clock.advance(ms));
      await assert.rejects(open({ source, readTimeout: 2000 }).current(), /within 2000 ms/);
      assert.ok(stopped);
    });

    it("may give what it likes, with the version that the value tells", async () => {
      const source = fromFunction(async () => ({ key: "k", id: "f7" }), {
        versionOf: ({ id }) => ({ fingerprint: id, version: 7, name: "api-key" }),
      });
      const secret = open({ source });
      assert.equal(await secret.withSecret(({ key }) => key), "k");
      assert.deepEqual([secret.name, secret.version], ["api-key", 7]);
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "api-key": ["f7"] } });
    });
  });

  describe("verify", () => {
    it("keeps the old value while the new one does not do, and takes it when it does, without any work", async () => {
      await deliver(1);
      const { login, accepted } = server(1);
      const secret = open({ source: unwatched(fromFile(file)), verify: login });
      await secret.current();
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f1"] } });
      await deliver(2);
      clock.advance(1000);
      assert.equal(await secret.withSecret(login), "app_v1");
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f1"] } });
      accepted.add("app_v2");
      const changed = new Promise<Fields>((resolve) => secret.onChange(resolve));
      clock.advance(1000);
      assert.equal((await changed)["username"], "app_v2");
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f2"] } });
    });
  });

  describe("adoption", () => {
    it("is that of the version that was accepted last, not of the one that was read last", async () => {
      await deliver(1);
      const secret = open({ source: unwatched(fromFile(file)) });
      const { login, accepted } = server(1);
      await secret.current();
      assert.equal(adoptionReport(secret), undefined, "reading is no use");
      await secret.withSecret(login);
      await deliver(2);
      clock.advance(1000);
      assert.equal((await secret.current())["username"], "app_v2");
      assert.deepEqual(secret.fingerprintsInUse(), ["f1"]);
      await assert.rejects(secret.withSecret(login), Refused);
      assert.deepEqual(secret.fingerprintsInUse(), ["f1"], "refused");
      await assert.rejects(
        secret.withSecret(() => {
          throw new Error("the query failed");
        }),
      );
      assert.deepEqual(secret.fingerprintsInUse(), ["f1"], "nobody knows whether it was accepted");
      accepted.add("app_v2");
      await secret.withSecret(login);
      assert.deepEqual(secret.fingerprintsInUse(), ["f2"]);
    });

    it("names an older version too while work with it goes on, and goes back when the version does", async () => {
      await deliver(1);
      const secret = open({ source: unwatched(fromFile(file)) });
      const { login } = server(1, 2);
      let finish: () => void = () => undefined;
      await secret.withSecret(login);
      const long = secret.withSecret(() => new Promise<void>((resolve) => (finish = resolve)));
      await secret.current();
      await deliver(2);
      clock.advance(1000);
      await secret.withSecret(login);
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f1", "f2"] } });
      finish();
      await long;
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f2"] } });
      await deliver(1);
      clock.advance(1000);
      await secret.withSecret(login);
      assert.deepEqual(adoptionReport(secret), { fingerprints: { "orders-db": ["f1"] } });
    });

    it("is what the library's check understands", async () => {
      await deliver(1);
      const secret = open({ source: unwatched(fromFile(file)) });
      const other = open({
        source: fromFunction(async () => "key", { versionOf: () => ({ fingerprint: "x9" }) }),
        name: "api",
      });
      const http = createServer(adoptionHandler([secret, other])).listen(0, "127.0.0.1");
      await once(http, "listening");
      closings.push(() => {
        http.close();
        http.closeAllConnections();
      });
      const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/adoption`;
      const ask = (version: number) => askAdoption({ url }, targetOf(version), 5000, new AbortController().signal);
      const unknown = await ask(1);
      assert.deepEqual([unknown.adopted, unknown.contradicts], [false, false], unknown.detail);
      await secret.withSecret(server(1).login);
      await other.withSecret((key) => key);
      assert.equal((await ask(1)).adopted, true);
      const before = await ask(2);
      assert.deepEqual([before.adopted, before.contradicts], [false, true]);
      await deliver(2);
      clock.advance(1000);
      await secret.withSecret(server(2).login);
      assert.equal((await ask(2)).adopted, true);
      const response = await fetch(url);
      assert.deepEqual(await response.json(), { fingerprints: { api: ["x9"], "orders-db": ["f2"] } });
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal((await fetch(url, { method: "POST" })).status, 405);
    });

    it("is a plain list where a secret has no name", async () => {
      const secret = open({ source: fromFunction(async () => 1, { versionOf: () => ({ fingerprint: "x" }) }) });
      await secret.withSecret((value) => value);
      assert.deepEqual(adoptionReport([secret, secret]), { fingerprints: ["x"] });
    });
  });

  it("shows no value of a secret", async () => {
    await deliver(1);
    const secret = open({ source: fromFile(file) });
    const value = await secret.current();
    await secret.withSecret(server(1).login);
    const held = { secret, value, list: [value] };
    for (const shown of [
      inspect(held, { depth: 10, showHidden: true }),
      inspect(secret, { depth: 10, showHidden: true, customInspect: false, getters: true }),
      JSON.stringify(held),
      [secret, value].map(String).join(),
    ])
      assert.ok(!shown.includes(PASSWORD), shown);
    assert.match(inspect(secret), /^Secret\(orders-db v1\) from /);
    assert.match(inspect(held), /orders-db v1.*from the file/);
    assert.match(inspect(value), /username.*\[secret\]/);
    assert.equal(value["password"], valueOf(1).password);
    assert.deepEqual({ ...value }, valueOf(1), "a copy is an ordinary object");
    assert.throws(() => Object.assign(value, { password: "another" }), TypeError);
  });

  it("is closed: nothing is watched, work under way goes on, new work is refused", async () => {
    await deliver(1);
    const secret = open({ source: fromFile(file) });
    let finish: () => void = () => undefined;
    const work = secret.withSecret(() => new Promise<void>((resolve) => (finish = resolve)));
    await secret.current();
    assert.equal(clock.repeating, 1);
    secret.close();
    secret.close();
    assert.equal(clock.repeating, 0);
    await assert.rejects(secret.withSecret(server(1).login), /was closed/);
    finish();
    await work;
  });

  it("goes on when nobody can be told of a problem", async () => {
    await deliver(1);
    const onProblem = () => {
      throw new Error("the log is full");
    };
    const secret = open({ source: unwatched(fromFile(file)), onProblem });
    await secret.current();
    fs.writeFileSync(file, "{");
    clock.advance(1000);
    assert.equal((await secret.current())["username"], "app_v1");
  });

  it("refuses times that are none", () => {
    const source = fromFile(file);
    for (const options of [{ maxAge: -1 }, { maxAge: Number.NaN }, { readTimeout: 0 }])
      assert.throws(() => openSecret({ source, ...options }), /is a number of milliseconds from [01], not/);
  });

  it("tells what listeners throw, and each of them gets the value", async () => {
    await deliver(1);
    const problems: string[] = [];
    const seen: string[] = [];
    const secret = open({ source: fromFile(file), onProblem: (error) => problems.push(error.message) });
    secret.onChange(() => {
      throw new Error("a listener's own");
    });
    const end = secret.onChange(() => seen.push("ended"));
    end();
    const told = new Promise<void>((resolve) => secret.onChange(() => resolve()));
    await secret.current();
    await told;
    assert.deepEqual([problems, seen], [["a listener's own"], []]);
  });
});

/** The source, and its counts as they are when they are asked for. */
function split<Value>(seen: { source: SecretSource<Value>; readonly reads: number }) {
  return { source: seen.source, reads: () => seen.reads };
}

/** A thread that writes one version after the other until it is stopped. */
async function writer(body: string, data: object): Promise<{ stop: () => Promise<unknown> }> {
  const code = `
    const { workerData, parentPort } = require("node:worker_threads");
    const fs = require("node:fs"), path = require("node:path");
    const { file } = workerData;
    const write = (() => {${body}})();
    let version = 0;
    const go = () => { write(++version); if (version === 1) parentPort.postMessage("ready"); setImmediate(go); };
    go();`;
  const worker = new Worker(code, { eval: true, workerData: data });
  await once(worker, "message");
  return { stop: () => worker.terminate() };
}

/** Reads for a second; what is not whole is refused, which is as it should be. */
async function sample<Value>(
  source: SecretSource<Value>,
  look: (reading: Awaited<ReturnType<SecretSource<Value>["read"]>>) => string,
): Promise<Set<string>> {
  const seen = new Set<string>();
  const until = Date.now() + 1000;
  while (Date.now() < until || seen.size <= 20) {
    try {
      seen.add(look(await source.read({ name: undefined, signal: new AbortController().signal })));
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
    }
    if (Date.now() > until + 10_000) break;
  }
  return seen;
}
