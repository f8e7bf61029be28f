import assert from "node:assert/strict";
import promises, {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { mock } from "node:test";
import type { SecretStore } from "../../../provider/contracts/store";
import { ConfigurationError, StateError, UnreachableError } from "../../../provider/lifecycle/errors";
import { createFileStore, fileStoreOptions } from "../../../provider/stores/file";
import { storeConformance } from "../../../testing/storeConformance";
import { makeStored, runChild, temporaryFolders, testContext } from "./support";

const PASSWORD = "a password that must not be on the disk";
const key = { passphrase: { from: "env" as const, name: "PASS" } };

function openAt(path: string, context = testContext()): SecretStore {
  return createFileStore({ type: "file", path, key }, context);
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe("the store in an encrypted folder", () => {
  const newFolder = temporaryFolders();
  let path = "";
  const fresh = async () => {
    path = join(await newFolder(), "orders", "db");
  };
  const ledgerFile = (revision: number) => join(path, "ledger", String(revision).padStart(10, "0"));

  /** Version 1 is current, version 2 pending, the ledger at its second revision. */
  async function filled(): Promise<SecretStore> {
    await fresh();
    const store = openAt(path);
    const fence = await store.commit({ note: "in the ledger" }, "0");
    await store.putVersion(makeStored(1, { password: PASSWORD }));
    await store.putVersion(makeStored(2, { password: PASSWORD }));
    await store.promote(makeStored(1, {}).ref, null, fence, 1);
    return store;
  }

  describe("like every store", () => {
    const harness = { capabilities: { fencedLabel: true }, fresh, open: async () => openAt(path) };
    for (const c of storeConformance(harness)) it(c.name, c.run);
  });

  describe("keeping secrets", () => {
    it("lets nobody but the owner in", async () => {
      await filled();
      for (const file of await filesUnder(path)) assert.equal((await stat(file)).mode & 0o777, 0o600, file);
      for (const folder of [path, join(path, "ledger"), join(path, "versions"), join(path, "tmp")]) {
        assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
      }
    });

    it("writes nothing in plain text but the header and file names", async () => {
      await filled();
      const files = await filesUnder(path);
      assert.equal(files.length, 5);
      for (const file of files) {
        const content = await readFile(file, "latin1");
        for (const plain of [PASSWORD, "in the ledger", "orders_v1", "correct horse"]) {
          assert.ok(!content.includes(plain), `${file} holds "${plain}"`);
        }
      }
    });

    it("seals the same content differently each time", async () => {
      await fresh();
      const store = openAt(path);
      await store.commit({ same: true }, await store.commit({ same: true }, "0"));
      assert.notDeepEqual(await readFile(ledgerFile(1)), await readFile(ledgerFile(2)));
    });

    it("says that the passphrase is the wrong one, for every operation", async () => {
      await filled();
      const { revision } = await openAt(path).load();
      const wrong = openAt(path, testContext({ PASS: "a wrong passphrase" }));
      const expected = (error: Error) =>
        error instanceof ConfigurationError &&
        error.message.includes("The passphrase does not open the store") &&
        !error.message.includes("a wrong passphrase");
      await assert.rejects(wrong.load(), expected);
      await assert.rejects(wrong.commit({}, revision), expected);
      await assert.rejects(wrong.read("current"), expected);
      await assert.rejects(wrong.list(), expected);
      await assert.rejects(wrong.putVersion(makeStored(3, {})), expected);
      await assert.rejects(wrong.retire(makeStored(2, {}).ref), expected);
      assert.equal((await openAt(path).load()).revision, revision);
    });

    it("refuses an empty passphrase", async () => {
      await fresh();
      await assert.rejects(openAt(path, testContext({ PASS: "" })).commit({}, "0"), /passphrase .* is empty/);
    });

    it("notices every changed bit of a sealed file", async () => {
      await filled();
      const version = join(path, "versions", "1-token-1.sealed");
      const good = await readFile(version);
      for (const offset of [0, 20, 33, 45, 61, good.length - 1]) {
        const bad = Buffer.from(good);
        bad[offset] = (bad[offset] ?? 0) ^ 1;
        await writeFile(version, bad);
        await assert.rejects(openAt(path).read("current"), StateError, `byte ${offset}`);
      }
      await writeFile(version, good.subarray(0, -1));
      await assert.rejects(openAt(path).read("current"), /file of version 1 was changed, cut short or put there/);
      await writeFile(version, good);
      assert.equal((await openAt(path).read("current")).value.password, PASSWORD);
    });

    it("notices that files change places", async () => {
      await filled();
      const [one, two] = [1, 2].map((n) => join(path, "versions", `${n}-token-${n}.sealed`)) as [string, string];
      await rename(one, `${one}.aside`);
      await copyFile(two, one);
      await assert.rejects(openAt(path).read("current"), StateError);
      await copyFile(ledgerFile(1), ledgerFile(2));
      await assert.rejects(openAt(path).load(), /revision 2 of the ledger was changed/);
    });

    it("notices that a file is from another store with the same passphrase", async () => {
      await filled();
      const other = path;
      await filled();
      await copyFile(join(other, "versions", "1-token-1.sealed"), join(path, "versions", "1-token-1.sealed"));
      await assert.rejects(openAt(path).read("current"), StateError);
    });

    it("does not promote a version that cannot be opened", async () => {
      const store = await filled();
      await writeFile(join(path, "versions", "2-token-2.sealed"), "garbage");
      const { revision, current } = await store.load();
      await assert.rejects(store.promote({ version: 2, token: "token-2" }, current, revision, 1), StateError);
      assert.equal((await store.load()).revision, revision);
    });
  });

  describe("with a key file", () => {
    const open = (keyFile: string) => createFileStore({ type: "file", path, key: { keyFile } }, testContext({}));
    const hex = "ab".repeat(32);
    const base64 = Buffer.from(hex, "hex").toString("base64");

    async function keyFile(content: string, mode = 0o600): Promise<string> {
      const file = join(await newFolder(), "key");
      await writeFile(file, content, { mode });
      return file;
    }

    it("takes 32 bytes as hexadecimal digits or as base64", async () => {
      await fresh();
      await open(await keyFile(`${hex}\n`)).commit({ by: "hex" }, "0");
      assert.deepEqual((await open(await keyFile(base64)).load()).body, { by: "hex" });
    });

    it("says that the key is the wrong one", async () => {
      await fresh();
      await open(await keyFile(hex)).commit({}, "0");
      await assert.rejects(open(await keyFile("cd".repeat(32))).load(), /key file does not open the store/);
      await assert.rejects(openAt(path).load(), /was made with a key file, but `key` names a passphrase/);
    });

    it("refuses a file that others can read, one that is absent and one that holds no key", async () => {
      await fresh();
      const expect = (file: string, message: RegExp) =>
        assert.rejects(open(file).commit({}, "0"), (error: Error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, message);
          return true;
        });
      await expect(await keyFile(hex, 0o640), /mode 0640/);
      await expect(join(path, "absent"), /does not exist/);
      await expect(await keyFile("not a key!"), /it is neither/);
      await expect(await keyFile("c2hvcnQ="), /it is 5 bytes in base64/);
    });
  });

  describe("its folder", () => {
    it("is not made by reading", async () => {
      await fresh();
      await openAt(path).load();
      await openAt(path).list();
      await openAt(path).retire(makeStored(1, {}).ref);
      await assert.rejects(stat(path), { code: "ENOENT" });
    });

    it("is one store when two processes make it at the same moment", async () => {
      await fresh();
      const stores = [openAt(path), openAt(path), openAt(path)];
      const refs = await Promise.all(stores.map((store, i) => store.putVersion(makeStored(i, { password: PASSWORD }))));
      for (const ref of refs) assert.equal((await openAt(path).read(ref)).value.password, PASSWORD);
    });

    it("is finished by the next writer when its maker died in the middle", async () => {
      await filled();
      for (const part of ["ledger", "versions"]) await rm(join(path, part), { recursive: true });
      assert.equal((await openAt(path).load()).revision, "0");
      await openAt(path).commit({ finished: true }, "0");
      assert.deepEqual((await openAt(path).load()).body, { finished: true });
    });

    it("is not taken for new when a part of it is lost", async () => {
      for (const part of ["store.json", "ledger"]) {
        await filled();
        await rm(join(path, part), { recursive: true });
        await assert.rejects(openAt(path).load(), new RegExp(`has lost its .*${part}`));
        await assert.rejects(openAt(path).commit({}, "0"), StateError);
      }
    });

    it("may hold files of others, and loses what dead processes left", async () => {
      await filled();
      await writeFile(join(path, "ledger", ".DS_Store"), "x");
      await writeFile(join(path, "versions", "notes.txt"), "x");
      const [old, recent] = [join(path, "tmp", "old"), join(path, "tmp", "recent")];
      await writeFile(old, "half a fi");
      await utimes(old, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000));
      await writeFile(recent, "half a fi");
      // A folder is swept once in a process, so that the next process must do it.
      const child = runChild(join(__dirname, "committer.child.ts"), [path, "1"]);
      assert.deepEqual(await child.ended, { by: "0", errors: "" });
      assert.deepEqual(await readdir(join(path, "tmp")), ["recent"]);
      assert.equal((await openAt(path).list()).length, 2);
    });

    it("may lose its folder for temporary files", async () => {
      await filled();
      await rm(join(path, "tmp"), { recursive: true });
      const store = openAt(path);
      await store.commit({ after: true }, (await store.load()).revision);
      assert.deepEqual((await store.load()).body, { after: true });
    });

    it("refuses a path that is a file", async () => {
      const file = join(await newFolder(), "file");
      await writeFile(file, "");
      await assert.rejects(openAt(file).commit({}, "0"), ConfigurationError);
      await assert.rejects(openAt(file).load(), ConfigurationError);
    });

    it("that cannot be written is unreachable", async () => {
      await filled();
      await rm(join(path, "tmp"), { recursive: true });
      // Permissions do not stop the superuser; that nobody can make files in /proc does.
      if (process.getuid?.() === 0) await symlink("/proc", join(path, "tmp"));
      else await mkdir(join(path, "tmp"), { mode: 0o500 });
      const store = openAt(path);
      const { revision } = await store.load();
      await assert.rejects(store.commit({}, revision), UnreachableError);
      await assert.rejects(store.putVersion(makeStored(3, { password: PASSWORD })), UnreachableError);
      assert.equal((await openAt(path).load()).revision, revision);
    });
  });

  describe("on a filesystem that", () => {
    afterEach(() => mock.restoreAll());
    const fail = (code: string) => Promise.reject(Object.assign(new Error(`${code}: simulated`), { code }));

    it("has no hard links says so, and leaves nothing behind", async () => {
      for (const code of ["EPERM", "ENOTSUP", "EXDEV"]) {
        const store = await filled();
        const { revision } = await store.load();
        mock.method(promises, "link", () => fail(code));
        await assert.rejects(store.commit({}, revision), (error: Error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, /without hard links .*Nothing was changed/);
          return true;
        });
        mock.restoreAll();
        assert.deepEqual(await readdir(join(path, "tmp")), []);
        assert.equal((await store.load()).revision, revision);
      }
    });

    it("has no space left says so, and leaves nothing behind", async () => {
      const store = await filled();
      const { revision } = await store.load();
      mock.method(promises, "link", () => fail("ENOSPC"));
      await assert.rejects(store.putVersion(makeStored(3, { password: PASSWORD })), (error: Error) => {
        assert.ok(error instanceof UnreachableError);
        assert.match(error.message, /could not store version 3: ENOSPC.*Free some space/);
        return true;
      });
      mock.restoreAll();
      assert.deepEqual(await readdir(join(path, "tmp")), []);
      assert.equal((await store.list()).length, 2);
      assert.equal((await store.load()).revision, revision);
    });

    it("reports a failure of a link that was made, as networks do, has the commit", async () => {
      const store = await filled();
      const { revision } = await store.load();
      const { link } = promises;
      mock.method(promises, "link", async (from: string, to: string) => {
        await link(from, to);
        return fail("EEXIST");
      });
      await store.commit({ committed: true }, revision);
      assert.deepEqual((await store.load()).body, { committed: true });
    });

    it("lost the temporary file of a writer that was suspended, gets it again", async () => {
      const store = await filled();
      const { revision } = await store.load();
      const { link } = promises;
      let attempts = 0;
      mock.method(promises, "link", async (from: string, to: string) => {
        if (++attempts === 1) await rm(from);
        return link(from, to);
      });
      await store.commit({ committed: true }, revision);
      assert.equal(attempts, 2);
      assert.deepEqual((await store.load()).body, { committed: true });
    });
  });

  it("refuses options that it does not know, and says what is allowed", () => {
    const parse = (options: object) => () => fileStoreOptions.parse({ type: "file", path: "x", key, ...options });
    assert.doesNotThrow(parse({}));
    assert.doesNotThrow(parse({ key: { keyFile: "k" } }));
    assert.throws(parse({ path: "" }), /must not be empty/);
    assert.throws(parse({ paht: "x" }), /paht/);
    assert.throws(parse({ key: { passphrase: "literal" } }), /key\.passphrase must say where it is found/);
    assert.throws(parse({ key: { ...key, keyFile: "k" } }));
  });
});
