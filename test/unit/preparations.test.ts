/** What `npm test` prepares for the suites, in which order, and what becomes of a suite whose preparation fails. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");

describe("The preparations of npm test", () => {
  describe("prepare what the suites need", () => {
    const schedule = import("../../scripts/lib/schedule.mjs");
    const suites = {
      plain: { needsPulumi: false },
      engine: { needsPulumi: true },
      stores: { needsPulumi: false, needsServers: ["vault", "moto"] },
      vaultOnly: { needsPulumi: false, needsServers: ["vault"] },
    };
    const laneOf = (need: string) => (need === "moto" ? "install" : "build");
    const manner = (background: boolean, live: boolean) => ({ background, live });

    /** Preparations that end when the test says so, and what happened in which order. */
    function stage() {
      const happened: string[] = [];
      const ends: Record<string, { found: () => void; failed: (reason: string) => void }> = {};
      const get = ({ need }: { need: string }) => {
        happened.push(`${need} begun`);
        return new Promise((done, fail) => {
          ends[need] = { found: () => done(`/${need}`), failed: (reason) => fail(new Error(reason)) };
        });
      };
      const what = {
        run: async (name: string, found: Record<string, unknown>) => {
          happened.push(`suite ${name} with ${JSON.stringify(found)}`);
          return { name };
        },
        refuse: (name: string, errors: unknown[]) => {
          happened.push(`suite ${name} refused: ${errors.map((error) => (error as Error).message).join(" and ")}`);
          return { name };
        },
      };
      return { happened, ends, get, what };
    }

    it("in the order in which it is needed, each once", async () => {
      const { preparationsFor } = await schedule;
      const names = ["plain", "stores", "engine", "vaultOnly"];
      const needs = preparationsFor(names, suites).map(({ need }) => need);
      assert.deepEqual(needs, ["vault", "moto", "pulumi"]);
      assert.deepEqual(preparationsFor(["plain"], suites), []);
    });

    it("giving way only to suites that run before it is needed", async () => {
      const { preparationsFor } = await schedule;
      assert.deepEqual(preparationsFor(["engine", "vaultOnly"], suites), [
        { need: "pulumi", ...manner(false, false) },
        { need: "vault", ...manner(true, false) },
      ]);
      assert.deepEqual(preparationsFor(["vaultOnly"], suites), [{ need: "vault", ...manner(false, true) }]);
      assert.deepEqual(preparationsFor(["plain", "engine"], suites), [{ need: "pulumi", ...manner(true, false) }]);
    });

    it("one build after the other, and an installation at the same time", async () => {
      const { startAll } = await schedule;
      const { happened, ends, get } = stage();
      const started = startAll([{ need: "pulumi" }, { need: "vault" }, { need: "moto" }], laneOf, get);
      await turn();
      assert.deepEqual(happened, ["pulumi begun", "moto begun"]);
      ends.pulumi!.found();
      assert.deepEqual(await started.pulumi, { found: "/pulumi" });
      await turn();
      assert.deepEqual(happened, ["pulumi begun", "moto begun", "vault begun"]);
    });

    it("so that a build that fails does not keep the next from being begun", async () => {
      const { startAll } = await schedule;
      const { happened, ends, get } = stage();
      const started = startAll([{ need: "pulumi" }, { need: "vault" }], laneOf, get);
      await turn();
      ends.pulumi!.failed("no Go");
      assert.match(String(((await started.pulumi) as { error: Error }).error), /no Go/);
      await turn();
      assert.deepEqual(happened, ["pulumi begun", "vault begun"]);
    });

    it("so that a suite waits for what it needs itself, and for nothing else", async () => {
      const { runInOrder, startAll } = await schedule;
      const { happened, ends, get, what } = stage();
      const started = startAll([{ need: "pulumi" }, { need: "vault" }, { need: "moto" }], laneOf, get);
      const all = runInOrder(["plain", "engine", "stores"], suites, started, what);
      await turn();
      assert.equal(happened.at(-1), "suite plain with {}");
      ends.pulumi!.found();
      await turn();
      assert.equal(happened.at(-1), 'suite engine with {"pulumi":"/pulumi"}');
      ends.moto!.found();
      await turn();
      assert.equal(happened.at(-1), 'suite engine with {"pulumi":"/pulumi"}');
      ends.vault!.found();
      assert.deepEqual(await all, [{ name: "plain" }, { name: "engine" }, { name: "stores" }]);
      assert.equal(happened.at(-1), 'suite stores with {"vault":"/vault","moto":"/moto"}');
    });

    it("so that a failed build fails the suites that need it, with the reason, and the others run", async () => {
      const { runInOrder, startAll } = await schedule;
      const { happened, ends, get, what } = stage();
      const started = startAll([{ need: "vault" }, { need: "moto" }, { need: "pulumi" }], laneOf, get);
      const all = runInOrder(["stores", "plain", "vaultOnly", "engine"], suites, started, what);
      await turn();
      ends.vault!.failed("the disk is full");
      ends.moto!.found();
      await turn();
      ends.pulumi!.found();
      assert.equal((await all).length, 4);
      assert.deepEqual(
        happened.filter((line) => line.startsWith("suite")),
        [
          "suite stores refused: the disk is full",
          "suite plain with {}",
          "suite vaultOnly refused: the disk is full",
          'suite engine with {"pulumi":"/pulumi"}',
        ],
      );
    });

    it("where every server that a suite names is known", async () => {
      const { needsOf } = await schedule;
      const { SERVERS } = await import("../../scripts/lib/server-recipes.mjs");
      const { SUITES } = await import("../../scripts/lib/suites.mjs");
      const needs = Object.values(SUITES).flatMap((suite) => needsOf(suite));
      assert.deepEqual(
        needs.filter((need) => need !== "pulumi" && !Object.hasOwn(SERVERS, need)),
        [],
      );
    });
  });

  describe("make the servers that tests need", () => {
    const recipes = import("../../scripts/lib/server-recipes.mjs");
    const servers = import("../../scripts/lib/servers.mjs");

    it("of the versions that the pinned sources have", async () => {
      const SERVERS: Record<string, { version: string }> = (await recipes).SERVERS;
      const pins: Record<string, [file: string, pin: (version: string) => string]> = {
        vault: ["vault/go.mod", (version) => `github.com/hashicorp/vault v${version}\n`],
        etcd: ["etcd/go.mod", (version) => `go.etcd.io/etcd/server/v3 v${version}\n`],
        "kube-apiserver": ["kubernetes/go.mod", (version) => `k8s.io/kubernetes v${version} //`],
        "kube-controller-manager": ["kubernetes/go.mod", (version) => `k8s.io/kubernetes v${version} //`],
        "kube-scheduler": ["kubernetes/go.mod", (version) => `k8s.io/kubernetes v${version} //`],
        kubelet: ["kubelet/go.mod", (version) => `k8s.io/kubernetes v${version} //`],
        kwok: ["kwok/go.mod", (version) => `sigs.k8s.io/kwok v${version}`],
        moto: ["aws/requirements.txt", (version) => `moto==${version}\n`],
      };
      const pinned = Object.keys(SERVERS).filter((name) => SERVERS[name]!.version !== "debian");
      assert.deepEqual(Object.keys(pins).sort(), pinned.sort());
      for (const [name, [file, pin]] of Object.entries(pins)) {
        const text = readFileSync(join(ROOT, "test/servers", file), "utf8");
        assert.ok(text.includes(pin(SERVERS[name]!.version)), `${file} pins another ${name}`);
      }
    });

    it("into folders that other versions, recipes and machines do not share", async () => {
      const { folderName } = await servers;
      const { SERVERS } = await recipes;
      const { etcd } = SERVERS;
      const linux = { platform: "linux", arch: "x64" };
      const names = [
        folderName("etcd", etcd, linux),
        folderName("etcd", etcd, { platform: "linux", arch: "arm64" }),
        folderName("etcd", { ...etcd, version: "3.7.0" }, linux),
        folderName("etcd", { ...etcd, identity: () => "another" }, linux),
      ];
      assert.equal(new Set(names).size, 4);
    });

    it("and give tests what they ask for by name", async () => {
      const { linksTo } = await servers;
      const folders = {
        vault: "/cache/vault",
        etcd: "/cache/etcd",
        "kube-apiserver": "/cache/api",
        moto: "/cache/moto",
      };
      assert.deepEqual(Object.fromEntries(linksTo(folders)), {
        "bin/vault-dev": "/cache/vault/vault-dev",
        "bin/etcd": "/cache/etcd/etcd",
        "bin/kube-apiserver": "/cache/api/kube-apiserver",
        moto: "/cache/moto",
      });
    });

    it("telling a machine that lacks something what to install", function () {
      this.timeout(20_000);
      const empty = mkdtempSync(join(tmpdir(), "rotation-bare-"));
      try {
        const script = `import(${JSON.stringify(join(ROOT, "scripts/lib/servers.mjs"))}).then(async ({ provideServer }) => {
          for (const name of ["etcd", "moto"]) await provideServer(name).catch((error) => console.log(error.name, error.message));
        })`;
        const { stdout } = spawnSync(process.execPath, ["-e", script], {
          env: { PATH: empty, HOME: empty, XDG_CACHE_HOME: empty },
          encoding: "utf8",
        });
        const [etcd, moto] = stdout.split("\n");
        assert.match(etcd ?? "", /^Problem .*there is no Go on this machine.*install Go 1\.26 or newer: https:/);
        assert.match(moto ?? "", /^Problem .*no Python 3 on this machine.*apt-get install python3 python3-venv/);
        // Nothing half made is left.
        assert.deepEqual(readdirSync(join(empty, "pulumi-rotating-secrets", "servers")), []);
      } finally {
        rmSync(empty, { recursive: true });
      }
    });

    it("only with a Python that can", async () => {
      const { whyUnfit } = await import("../../scripts/lib/python-environment.mjs");
      assert.equal(whyUnfit({ version: "3.11.2", modules: true }), undefined);
      assert.match(whyUnfit({ modules: false }) ?? "", /no Python 3 on this machine/);
      assert.match(whyUnfit({ version: "3.9.18", modules: true }) ?? "", /3\.9\.18, which is too old/);
      assert.match(whyUnfit({ version: "3.12.1", modules: false }) ?? "", /venv module is not installed/);
    });
  });

  describe("complete a folder of the cache or leave it as it was", () => {
    const folders = import("../../scripts/lib/complete-folder.mjs");
    let cache: string;
    beforeEach(() => (cache = mkdtempSync(join(tmpdir(), "rotation-cache-"))));
    afterEach(() => rmSync(cache, { recursive: true }));

    it("so that nobody sees it half filled", async () => {
      const { completeFolder } = await folders;
      const target = join(cache, "etcd");
      await completeFolder(target, async (aside) => {
        writeFileSync(join(aside, "program"), "whole");
        assert.equal(existsSync(target), false);
      });
      assert.deepEqual(readdirSync(cache), ["etcd"]);
      assert.equal(readFileSync(join(target, "program"), "utf8"), "whole");
    });

    it("keeping the former one when filling it fails", async () => {
      const { completeFolder } = await folders;
      const target = join(cache, "etcd");
      await completeFolder(target, async (aside) => writeFileSync(join(aside, "program"), "former"));
      const failing = completeFolder(target, async (aside) => {
        writeFileSync(join(aside, "program"), "half");
        throw new Error("on purpose");
      });
      await assert.rejects(failing, /on purpose/);
      assert.deepEqual(readdirSync(cache), ["etcd"]);
      assert.equal(readFileSync(join(target, "program"), "utf8"), "former");
    });

    it("clearing away what a killed run left of it, and nothing that another is filling", async () => {
      const { completeFolder } = await folders;
      mkdirSync(join(cache, "etcd.partial-killed"));
      mkdirSync(join(cache, "vault.partial-filling"));
      await completeFolder(join(cache, "etcd"), async (aside) => writeFileSync(join(aside, "program"), "whole"));
      assert.deepEqual(readdirSync(cache).sort(), ["etcd", "vault.partial-filling"]);
    });
  });
});

/** Lets everything that can go on go on. */
function turn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}
