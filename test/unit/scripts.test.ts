/** The pure parts of the scripts behind `npm test` and `npm run demo`. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");

describe("The scripts behind npm test and npm run demo", () => {
  describe("compare versions", () => {
    const versions = import("../../scripts/lib/version.mjs");

    it("by number and not by letter", async () => {
      const { compareVersions } = await versions;
      assert.ok(compareVersions("3.9.0", "3.10.0") < 0);
      assert.ok(compareVersions("10.0.0", "9.99.99") > 0);
      assert.equal(compareVersions("v3.259.0", "3.259"), 0);
    });

    it("reading them out of what programs print", async () => {
      const { parseVersion } = await versions;
      assert.deepEqual(parseVersion("v3.260.0-alpha.1+dirty\n"), [3, 260, 0]);
      assert.equal(parseVersion("no version here"), undefined);
    });

    it("taking what is no version for too old", async () => {
      const { isAtLeast } = await versions;
      assert.equal(isAtLeast("3.200.0", "3.200.0"), true);
      assert.equal(isAtLeast("3.199.9", "3.200.0"), false);
      assert.equal(isAtLeast(undefined, "3.200.0"), false);
      assert.equal(isAtLeast("unknown", "3.200.0"), false);
    });

    it("refusing to compare what is no version", async () => {
      const { compareVersions } = await versions;
      assert.throws(() => compareVersions("3.1.0", "latest"), /"latest" is not a version/);
    });
  });

  describe("choose a Pulumi CLI", () => {
    const sources = import("../../scripts/lib/pulumi-sources.mjs");

    it("that is installed, when it is new enough and complete", async () => {
      const { chooseSource } = await sources;
      const installed = { version: "3.300.1", missing: [] };
      assert.deepEqual(chooseSource({ installed, cached: true }), { use: "installed" });
    });

    it("from the cache, when the installed one is too old, and say why", async () => {
      const { chooseSource } = await sources;
      const installed = { version: "3.142.0", missing: [] };
      assert.deepEqual(chooseSource({ installed, cached: true }), {
        use: "cached",
        passedOver: "it is 3.142.0, and 3.200.0 or newer is needed",
      });
    });

    it("not one that cannot run Node programs", async () => {
      const { chooseSource } = await sources;
      const installed = { version: "3.259.0", missing: ["pulumi-language-nodejs"] };
      assert.deepEqual(chooseSource({ installed, cached: false }), {
        use: "get",
        passedOver: "pulumi-language-nodejs is not beside it or on PATH",
      });
    });

    it("not one that does not run at all", async () => {
      const { chooseSource } = await sources;
      assert.equal(chooseSource({ installed: { missing: [] }, cached: false }).passedOver, "it does not run");
    });

    it("by getting one, when the machine has none", async () => {
      const { chooseSource } = await sources;
      assert.deepEqual(chooseSource({ cached: false }), { use: "get" });
      assert.deepEqual(chooseSource({ cached: true }), { use: "cached" });
    });

    it("for the systems that there are releases for", async () => {
      const { releasePlatform } = await sources;
      assert.equal(releasePlatform("linux", "x64"), "linux-x64");
      assert.equal(releasePlatform("darwin", "arm64"), "darwin-arm64");
      assert.equal(releasePlatform("win32", "x64"), undefined);
      assert.equal(releasePlatform("linux", "ppc64"), undefined);
    });

    it("of the version that the SDK in package.json has", async () => {
      const { PINNED_VERSION } = await sources;
      const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      assert.equal(devDependencies["@pulumi/pulumi"], PINNED_VERSION);
    });

    it("whose download has the published checksum", async () => {
      const { checksumFor } = await import("../../scripts/lib/pulumi-download.mjs");
      const sum = "0123456789abcdef".repeat(4);
      const list = `${"f".repeat(64)}  pulumi-v3.1.0-linux-arm64.tar.gz\n${sum}  pulumi-v3.1.0-linux-x64.tar.gz\n`;
      assert.equal(checksumFor(list, "pulumi-v3.1.0-linux-x64.tar.gz"), sum);
      assert.equal(checksumFor(list, "pulumi-v3.1.0-darwin-x64.tar.gz"), undefined);
      assert.equal(checksumFor("<html>not found</html>", "pulumi-v3.1.0-linux-x64.tar.gz"), undefined);
    });
  });

  describe("count", () => {
    const counting = import("../../scripts/lib/counts.mjs");

    it("the tests of all suites together, in one line", async () => {
      const { closingLine, sum } = await counting;
      const total = sum([
        { passed: 3, failed: 0, skipped: 1 },
        { passed: 4, failed: 2, skipped: 0 },
      ]);
      assert.deepEqual(total, { passed: 7, failed: 2, skipped: 1 });
      assert.equal(closingLine(total), "7 passed, 2 failed");
    });

    it("a suite that passed as it reported itself", async () => {
      const { judge } = await counting;
      const counts = { passed: 3, failed: 0, skipped: 0 };
      assert.deepEqual(judge(counts, 0), { counts });
    });

    it("a failed test once, though the runner's exit code says it again", async () => {
      const { judge } = await counting;
      assert.deepEqual(judge({ passed: 3, failed: 2, skipped: 0 }, 2).counts, { passed: 3, failed: 2, skipped: 0 });
    });

    it("a suite that crashed before its first test as failed", async () => {
      const { judge } = await counting;
      assert.equal(judge(undefined, 1).counts.failed, 1);
    });

    it("a suite that stopped with an error after tests that passed as failed", async () => {
      const { judge } = await counting;
      const { counts, problem } = judge({ passed: 5, failed: 0, skipped: 0 }, 7);
      assert.deepEqual(counts, { passed: 5, failed: 1, skipped: 0 });
      assert.match(problem ?? "", /exit code 7/);
    });

    it("a suite that was ended as failed", async () => {
      const { judge } = await counting;
      assert.equal(judge({ passed: 5, failed: 0, skipped: 0 }, null).counts.failed, 1);
    });

    it("a suite without a test, or with skipped ones only, as failed", async () => {
      const { judge } = await counting;
      assert.equal(judge({ passed: 0, failed: 0, skipped: 4 }, 0).problem, "ran no test");
    });

    it("and end a suite that was run by itself with the line of its own, where every failed test counts", async () => {
      const { lastLines, summaryLine } = await counting;
      const told = { summary: "crash points=2 moments=3", failures: 0 };
      const crash = { summary: summaryLine(told, { passed: 9, failed: 1, skipped: 0 }) };
      assert.equal(crash.summary, "crash points=2 moments=3 failures=1");
      assert.deepEqual(lastLines([crash], "9 passed, 1 failed"), ["9 passed, 1 failed", crash.summary]);
      assert.deepEqual(lastLines([{}, crash], "9 passed, 1 failed"), [crash.summary, "9 passed, 1 failed"]);
      assert.equal(summaryLine(undefined, { passed: 1, failed: 0, skipped: 0 }), undefined);
    });

    it("what mocha really ran, with our reporter", () => {
      const folder = mkdtempSync(join(tmpdir(), "rotation-reporter-"));
      try {
        const suite = join(folder, "sample.js");
        writeFileSync(
          suite,
          'it("passes", () => {}); it("fails", () => { throw new Error("on purpose"); }); it("is left out");',
        );
        const countsFile = join(folder, "counts.json");
        const reporter = join(ROOT, "scripts/lib/mocha-reporter.cjs");
        const mocha = join(ROOT, "node_modules/mocha/bin/mocha.js");
        const { status } = spawnSync(process.execPath, [mocha, "--no-config", "--reporter", reporter, suite], {
          cwd: ROOT,
          env: { ...process.env, TEST_COUNTS_FILE: countsFile },
        });
        assert.equal(status, 1);
        assert.deepEqual(JSON.parse(readFileSync(countsFile, "utf8")), { passed: 1, failed: 1, skipped: 1 });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  describe("know whether node_modules holds what the lock file asks for", () => {
    const dependencies = import("../../scripts/lib/dependencies.mjs");
    const machine = { platform: "linux", arch: "x64" };
    const wanted = { "": {}, "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } };

    it("when every package is there in its version", async () => {
      const { missingPackages } = await dependencies;
      assert.deepEqual(missingPackages(wanted, { "node_modules/a": wanted["node_modules/a"] }, machine), []);
    });

    it("when one is absent or of another version", async () => {
      const { missingPackages } = await dependencies;
      assert.deepEqual(missingPackages(wanted, {}, machine), ["node_modules/a"]);
      const other = { "node_modules/a": { version: "1.0.1", integrity: "sha512-b" } };
      assert.deepEqual(missingPackages(wanted, other, machine), ["node_modules/a"]);
    });

    it("asking for an optional package only on the systems it is for", async () => {
      const { missingPackages } = await dependencies;
      const optional = (os: string) => ({ "node_modules/n": { version: "1.0.0", optional: true, os: [os] } });
      assert.deepEqual(missingPackages(optional("darwin"), {}, machine), []);
      assert.deepEqual(missingPackages(optional("linux"), {}, machine), ["node_modules/n"]);
    });
  });

  describe("keep what is slow to get in a cache folder", () => {
    const paths = import("../../scripts/lib/paths.mjs");

    it("where the system expects caches", async () => {
      const { cacheFolder } = await paths;
      const home = "/home/somebody";
      assert.equal(cacheFolder({ env: {}, platform: "linux", home }), `${home}/.cache/pulumi-rotating-secrets`);
      assert.equal(
        cacheFolder({ env: {}, platform: "darwin", home }),
        `${home}/Library/Caches/pulumi-rotating-secrets`,
      );
    });

    it("or where XDG_CACHE_HOME says", async () => {
      const { cacheFolder } = await paths;
      const env = { XDG_CACHE_HOME: "/elsewhere" };
      assert.equal(cacheFolder({ env, platform: "linux", home: "/" }), "/elsewhere/pulumi-rotating-secrets");
    });
  });

  describe("let one run at a time install and build", () => {
    const locks = import("../../scripts/lib/lock.mjs");
    let folder: string;
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "rotation-lock-"))));
    afterEach(() => rmSync(folder, { recursive: true }));

    it("so that the second waits for the first", async () => {
      const { withLock } = await locks;
      const file = join(folder, "lock");
      let inside = 0;
      let most = 0;
      const work = async () => {
        most = Math.max(most, ++inside);
        await new Promise((done) => setTimeout(done, 20));
        inside--;
      };
      await Promise.all([1, 2, 3].map(() => withLock(file, "testing the lock", work)));
      assert.equal(most, 1);
    });

    it("taking over at once from a run that was killed", async () => {
      const { withLock } = await locks;
      const file = join(folder, "lock");
      const gone = spawnSync(process.execPath, ["-e", ""]).pid;
      writeFileSync(file, JSON.stringify({ pid: gone, host: (await import("node:os")).hostname(), id: "killed" }));
      assert.equal(await withLock(file, "testing the lock", async () => "done"), "done");
    });

    it("letting go of it when the work fails", async () => {
      const { withLock } = await locks;
      const file = join(folder, "lock");
      const failing = withLock(file, "testing the lock", () => Promise.reject(new Error("on purpose")));
      await assert.rejects(failing, /on purpose/);
      assert.equal(await withLock(file, "testing the lock", async () => "done"), "done");
    });
  });
});
