import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createFileAuditSink, fileAuditOptions } from "../../../provider/audit/file";
import { formatLine, parseLine } from "../../../provider/audit/lines";
import { verifyChain } from "../../../provider/audit/verify";
import type { AuditEvent, AuditSink } from "../../../provider/contracts/audit";
import { UnreachableError } from "../../../provider/lifecycle/errors";
import { auditConformance } from "../../../testing/auditConformance";
import { runChild, temporaryFolders, testContext } from "../stores/support";
import { headOf, makeChain } from "./support";

const APPENDER = join(__dirname, "appender.child.ts");

describe("the audit trail in a file", function () {
  this.timeout(60_000);
  const newFolder = temporaryFolders();
  let path = "";
  const fresh = async () => {
    path = join(await newFolder(), "audit", "trail.jsonl");
  };
  const open = (): AuditSink => createFileAuditSink({ type: "file", path }, testContext());
  const recordAll = async (sink: AuditSink, chain: readonly AuditEvent[]) => {
    for (const event of chain) await sink.record(event);
  };

  describe("like every sink", () => {
    const harness = {
      fresh,
      open: async () => open(),
      makeUnwritable: async () => {
        await rename(path, `${path}.aside`);
        await mkdir(path);
      },
      tamper: async (change: (events: readonly AuditEvent[]) => readonly AuditEvent[]) => {
        const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
        const events = change(lines.map((line) => parseLine(line) as AuditEvent));
        await writeFile(path, events.map((event) => `${formatLine(event)}\n`).join(""));
      },
    };
    for (const c of auditConformance(harness)) it(c.name, c.run);
  });

  it("lets nobody but the owner in", async () => {
    await fresh();
    await recordAll(open(), makeChain("a", 1));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(dirname(path))).mode & 0o777, 0o700);
  });

  it("is not made by reading", async () => {
    await fresh();
    assert.deepEqual(await open().read("a"), []);
    await assert.rejects(stat(path), { code: "ENOENT" });
  });

  it("closes a line that a crash left unfinished, and is whole afterwards", async () => {
    await fresh();
    const chain = makeChain("a", 3);
    await recordAll(open(), chain.slice(0, 2));
    const line = formatLine(chain[2] as AuditEvent);
    for (const length of [1, 100, line.length]) {
      await appendFile(path, line.slice(0, length));
      assert.deepEqual(verifyChain(await open().read("a")), [], "before it is recorded again");
      await rm(path);
      await recordAll(open(), chain.slice(0, 2));
    }
    await appendFile(path, line.slice(0, 100));
    await recordAll(open(), chain);
    await recordAll(open(), makeChain("b", 1));
    assert.deepEqual(await open().read("a"), chain);
    assert.deepEqual(verifyChain(await open().read("a"), { expectedHead: headOf(chain) }), []);
  });

  it("shows a line that cannot be read in every chain", async () => {
    await fresh();
    await recordAll(open(), makeChain("a", 2));
    await appendFile(path, "what is this?\n");
    await recordAll(open(), makeChain("b", 1));
    for (const identity of ["a", "b"]) {
      const findings = verifyChain(await open().read(identity));
      assert.deepEqual(
        findings.map(({ problem }) => problem),
        ["unreadable"],
      );
    }
  });

  it("reads the file again when it was cut or replaced behind its back", async () => {
    await fresh();
    const chain = makeChain("a", 3);
    const sink = open();
    await recordAll(sink, chain);
    await truncate(path, 0);
    await recordAll(sink, chain);
    assert.deepEqual(await sink.read("a"), chain);
    await rename(path, `${path}.1`);
    await recordAll(sink, chain);
    assert.deepEqual(await sink.read("a"), chain);
  });

  it("loses and mixes nothing when several processes write several chains", async () => {
    await fresh();
    const identities = ["a", "b", "c", "a"];
    const children = identities.map((identity) => runChild(APPENDER, [path, identity, "100"]));
    for (const child of children) {
      assert.deepEqual(await child.ended, { by: "0", errors: "" });
      assert.equal(child.lines.at(-1), "recorded 100");
    }
    for (const identity of ["b", "c"]) {
      const chain = makeChain(identity, 100);
      assert.deepEqual(verifyChain(await open().read(identity), { expectedHead: headOf(chain) }), []);
    }
    // Two processes wrote the same chain, which the lease of a secret forbids: all is there, some of it twice.
    const problems = verifyChain(await open().read("a"), { expectedHead: headOf(makeChain("a", 100)) });
    assert.ok(problems.every(({ problem }) => problem === "foreign" || problem === "reordered"));
  });

  it("has every event that was acknowledged when its writer was killed", async () => {
    await fresh();
    const chain = makeChain("a", 400);
    for (let wanted = 5; wanted <= 25; wanted += 10) {
      const child = runChild(APPENDER, [path, "a", "400"]);
      while (child.lines.length < wanted) await new Promise((resolve) => setTimeout(resolve, 2));
      child.process.kill("SIGKILL");
      await child.ended;
      const events = await open().read("a");
      assert.ok(events.length >= child.lines.length);
      assert.deepEqual(events, chain.slice(0, events.length));
    }
  });

  it("is unreachable on a full disk, and whole after there is space again", async () => {
    await fresh();
    // 20 blocks are 10,240 bytes: the file ends in the middle of an event.
    const child = runChild(APPENDER, [path, "a", "100"], 20);
    assert.equal((await child.ended).by, "0");
    assert.match(child.lines.at(-1) ?? "", /^UnreachableError: Could not write event \d+ .*No step is taken/);
    const recorded = child.lines.length - 1;
    assert.ok(recorded > 5 && recorded < 30);
    const chain = makeChain("a", 40);
    assert.deepEqual(await open().read("a"), chain.slice(0, recorded));
    await recordAll(open(), chain);
    assert.deepEqual(verifyChain(await open().read("a"), { expectedHead: headOf(chain) }), []);
  });

  it("is unreachable when the device is full or the folder cannot be made", async () => {
    const folder = await newFolder();
    const [event] = makeChain("a", 1) as [AuditEvent];
    path = join(folder, "file", "trail");
    await writeFile(join(folder, "file"), "");
    await assert.rejects(open().record(event), UnreachableError);
    if (process.platform !== "linux") return;
    path = join(folder, "full");
    await symlink("/dev/full", path);
    await assert.rejects(open().record(event), /ENOSPC/);
  });

  it("appends to a trail of 10,000 events without reading it again each time", async () => {
    await fresh();
    await mkdir(dirname(path));
    const chain = makeChain("a", 10_000);
    await writeFile(path, chain.map((event) => `${formatLine(event)}\n`).join(""));
    const other = makeChain("b", 200);
    const first = performance.now();
    await recordAll(open(), other.slice(0, 1));
    const rest = performance.now();
    await recordAll(open(), other.slice(1));
    const [reading, appending] = [rest - first, performance.now() - rest];
    assert.ok(appending < 199 * 20 && reading < 5000, `first ${reading} ms, 199 more ${appending} ms`);
    assert.equal((await open().read("a")).length, 10_000);
  });

  it("refuses options that it does not know", () => {
    assert.throws(() => fileAuditOptions.parse({ type: "file", path: "x", mode: 1 }), /mode/);
    assert.throws(() => fileAuditOptions.parse({ type: "file", path: "" }), /path must not be empty/);
  });
});
