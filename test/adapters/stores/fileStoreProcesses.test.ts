/** The file store among several processes, dying processes and a full disk. */
import assert from "node:assert/strict";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createFileStore } from "../../../provider/stores/file";
import { Revisions } from "../../../provider/stores/file/revisions";
import { makeStored, runChild, temporaryFolders, testContext } from "./support";

const COMMITTER = join(__dirname, "committer.child.ts");
const FULL_DISK = join(__dirname, "fullDisk.child.ts");
const key = { passphrase: { from: "env" as const, name: "PASS" } };

describe("the store in an encrypted folder, among processes", function () {
  this.timeout(120_000);
  const newFolder = temporaryFolders();
  const openAt = (path: string) => createFileStore({ type: "file", path, key }, testContext());
  const counterIn = async (path: string) =>
    ((await openAt(path).load()).body as { counter: number } | undefined)?.counter ?? 0;

  it("loses no commit of several processes that write all the time", async () => {
    const path = join(await newFolder(), "store");
    const children = [1, 2, 3, 4].map(() => runChild(COMMITTER, [path, "40"]));
    for (const child of children) assert.deepEqual(await child.ended, { by: "0", errors: "" });
    const reported = children.flatMap(({ lines }) => lines).map((line) => Number(line.split(" ")[1]));
    assert.deepEqual(
      reported.sort((a, b) => a - b),
      Array.from({ length: 160 }, (_, i) => i + 1),
    );
    assert.equal(await counterIn(path), 160);
    assert.deepEqual(await readdir(join(path, "tmp")), []);
  });

  it("can be loaded and written after its writers were killed in the middle, with all they acknowledged", async () => {
    const path = join(await newFolder(), "store");
    for (let round = 0; round < 6; round++) {
      const children = [runChild(COMMITTER, [path, "0"]), runChild(COMMITTER, [path, "0"])];
      const wanted = 3 + round * 2;
      while (children.every(({ lines }) => lines.length < wanted)) await new Promise((r) => setTimeout(r, 2));
      for (const child of children) child.process.kill("SIGKILL");
      for (const child of children) assert.deepEqual(await child.ended, { by: "SIGKILL", errors: "" });
      const acknowledged = Math.max(...children.flatMap(({ lines }) => lines).map((l) => Number(l.split(" ")[1])));
      const counter = await counterIn(path);
      // Each of them may have been killed between its last commit and saying so.
      assert.ok(counter >= acknowledged && counter <= acknowledged + 2, `${counter} after ${acknowledged}`);
      for (const ref of await openAt(path).list()) await openAt(path).read(ref);
    }
    const store = openAt(path);
    const { revision, body } = await store.load();
    await store.commit(body, revision);
  });

  it("has nothing half-written to show for when the disk is full", async () => {
    const path = join(await newFolder(), "store");
    const store = openAt(path);
    const revision = await store.commit({ before: true }, "0");
    await store.putVersion(makeStored(1, { password: "first" }));
    const child = runChild(FULL_DISK, [path], 64);
    assert.deepEqual(await child.ended, { by: "0", errors: "" });
    const [put = "", commit = "", small = ""] = child.lines;
    assert.match(put, /^put: UnreachableError: .*could not store version 2.*ulimit -f/);
    assert.match(commit, /^commit: UnreachableError: .*could not commit the ledger.*unchanged/);
    assert.equal(small, "small commit: worked");
    assert.ok(!child.lines.join().includes("S3CRET"));
    assert.deepEqual(await readdir(join(path, "tmp")), []);
    assert.deepEqual(await store.list(), [makeStored(1, {}).ref]);
    const after = await openAt(path).load();
    assert.deepEqual(after.body, { small: true });
    assert.notEqual(after.revision, revision);
  });
});

describe("the revisions of the ledger on disk", () => {
  const newFolder = temporaryFolders();

  async function makeRevisions(count: number): Promise<{ folder: string; scratch: string }> {
    const [folder, scratch] = [join(await newFolder(), "ledger"), join(await newFolder(), "tmp")];
    await mkdir(folder);
    await mkdir(scratch);
    const revisions = new Revisions(folder, scratch);
    for (let n = 1; n <= count; n++) assert.ok(await revisions.create(n, Buffer.from(`content ${n}`)));
    return { folder, scratch };
  }

  it("refuse every number that was ever taken, however long ago, to a writer that was suspended", async () => {
    const { folder, scratch } = await makeRevisions(30);
    for (let n = 1; n <= 30; n++) {
      const suspended = new Revisions(folder, scratch);
      assert.equal(await suspended.create(n, Buffer.from("stale")), false, `revision ${n}`);
    }
    const newest = await new Revisions(folder, scratch).newest();
    assert.deepEqual([newest?.number, newest?.content.toString()], [30, "content 30"]);
  });

  it("keep the content of the newest five only", async () => {
    const { folder } = await makeRevisions(12);
    const sizes = await Promise.all(
      (await readdir(folder)).sort().map(async (f) => (await stat(join(folder, f))).size),
    );
    assert.deepEqual(
      sizes.map((size) => size > 0),
      [false, false, false, false, false, false, false, true, true, true, true, true],
    );
  });

  it("find the newest one again after the reader was left far behind", async () => {
    const { folder, scratch } = await makeRevisions(1);
    const reader = new Revisions(folder, scratch);
    assert.equal((await reader.newest())?.number, 1);
    const writer = new Revisions(folder, scratch);
    for (let n = 2; n <= 20; n++) await writer.create(n, Buffer.from(`content ${n}`));
    assert.equal((await reader.newest())?.content.toString(), "content 20");
  });
});
