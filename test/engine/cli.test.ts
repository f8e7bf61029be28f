import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProjectFile, programFolder } from "../../cli/project";
import { readState } from "../../cli/state";
import { rotationCommand } from "./rotationCommand";
import { Site } from "./site";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Retired with the first run after its grace: fewer runs to wait for. */
const WITHOUT_SOAK = 'retirement: { grace: "1h", soak: "0s" },';

describe("the rotation command", function () {
  this.timeout(300_000);
  let site: Site;

  const rotation = (args: readonly string[], at = site, cwd = at.stack.folder) => rotationCommand(at, args, cwd);

  async function must(args: readonly string[], at = site, cwd = at.stack.folder): Promise<string> {
    const { code, out, err } = await rotation(args, at, cwd);
    assert.equal(code, 0, `${out}${err}`);
    return out;
  }

  beforeEach(async () => {
    site = await Site.open();
    site.program();
  });
  afterEach(async () => {
    await site.close();
  });

  it("shows how the secrets are without changing anything, and verifies the audit trail", async () => {
    assert.match(await must(["status"]), /This stack has no rotating secret/);
    await site.stack.mustUp();
    site.advance(91 * DAY);
    await site.stack.mustUp();
    site.advance(20 * 60_000);
    const { revision } = await site.store().load();

    const nested = join(site.stack.folder, "some/folder");
    mkdirSync(nested, { recursive: true });
    const text = await must(["status"], site, nested);
    assert.match(text, /^orders-db\n {2}active +v2, 20 minutes old, orders_db_v2_\w+ \(fingerprint \w{16}\)$/m);
    assert.match(text, /^ {2}state +confirmed$/m);
    assert.match(text, /^ {2}next due +\d{4}-\d\d-\d\dT.*Z \(every 90d\)$/m);
    assert.match(text, /^ {2}also +v1 superseded since .*: the grace period of v1 goes on until .*Z$/m);
    assert.match(text, /^ {2}rollouts +organization\/shop\/dev::orders uses v2, confirmed .* \(evidence: adoption\)$/m);

    const [json] = JSON.parse(
      await must(["status", "orders-db", "--json", "--cwd", site.stack.folder], site, tmpdir()),
    ) as [Record<string, any>];
    assert.equal(json["active"].version, 2);
    assert.equal(json["confirmed"], true);
    assert.deepEqual(json["residues"], []);
    assert.equal(json["lease"], null);
    assert.equal(json["audit"].unwritten, 0);
    assert.equal((await site.store().load()).revision, revision, "it only reads");

    const trail = join(site.stack.folder, "secrets/orders-db/audit.jsonl");
    assert.match(await must(["audit", "verify"]), /^orders-db: whole; \d+ events in file:.*audit\.jsonl\n$/);
    const lines = readFileSync(trail, "utf8").split("\n");
    writeFileSync(trail, [...lines.slice(0, 3), ...lines.slice(4)].join("\n"));
    const damaged = await rotation(["audit", "verify", "orders-db", "--json"]);
    assert.equal(damaged.code, 1);
    const [verdict] = JSON.parse(damaged.out) as [{ findings: { problem: string; seq: number }[] }];
    assert.deepEqual([verdict.findings[0]?.problem, verdict.findings[0]?.seq], ["removed", 4]);
    writeFileSync(trail, lines.join("\n"));

    const none = await rotation(["status", "payments-db"]);
    assert.equal(none.code, 1);
    assert.match(
      none.err,
      /^error: This stack has no secret payments-db\. Nothing was changed\. There are: orders-db\.\n$/,
    );
    assert.equal((await rotation(["release", "orders-db"])).code, 2, "--reason is required");
    assert.equal((await rotation(["rotate"])).code, 2);
    assert.equal((await rotation(["status", "--cwd", "/"])).code, 1);
    const help = await rotation(["adopt", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, /Exit codes: 0 done, 1 findings, or refused with nothing changed, 2 wrong usage/);
  });

  it("releases what the rollout of a destroyed stack left behind, so that the superseded version can go", async () => {
    site.program({ secret: WITHOUT_SOAK });
    await site.stack.mustUp();
    const other = await Site.open({ project: "reports" });
    try {
      const store = `{ type: "file", path: "${site.stack.folder}/secrets/orders-db", key: { passphrase: rotation.secretFrom.env("STORE_KEY") } }`;
      other.stack
        .program(`new rotation.Rollout("reports", { secrets: [{ name: "orders-db", store: ${store}, ref: "orders-db/v1@1" }],
  consumers: [rotation.consumer.process({ name: "reports", file: "./app.json", adoption: { url: "${other.app.url}/adoption" } })] });`);
      await other.stack.mustUp();
      const seen = await must(["status"], other);
      assert.match(seen, /^orders-db\n {2}active +v1,[^]*owner +organization\/shop\/dev$/m);
      const refused = await rotation(["release", "orders-db", "--rollout", "orders", "--reason", "x", "--yes"]);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /rollout orders is still in the state of organization\/shop\/dev/);
      await other.stack.must("destroy", "--yes", "--skip-preview");
    } finally {
      await other.close();
    }
    site.advance(91 * DAY);
    await site.stack.mustUp();
    site.advance(2 * HOUR);
    const status = await must(["status"]);
    const command = /rotation (release orders-db --rollout \S+) --reason TEXT/.exec(status)?.[1]?.split(" ") ?? [];
    assert.match(status, /left behind +organization\/reports\/dev::reports may still use v1/);
    const asked = await rotation([...command, "--reason", "gone since May"]);
    assert.equal(asked.code, 2);
    assert.match(asked.err, /no terminal to ask in.*--yes/);
    assert.match(await must([...command, "--reason", "gone since May", "--yes"]), /released, and recorded/);
    const event = (await site.trail()).at(-1);
    assert.deepEqual([event?.step, event?.reason], ["released", "gone since May"]);
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: [] });
  });

  it("adopts the world after the restore of an older ledger, with an admin from the stack's configuration", async () => {
    await site.stack.must("config", "set", "--secret", "admin", site.stack.env["PGADMIN_URL"] ?? "");
    Reflect.deleteProperty(site.stack.env, "PGADMIN_URL");
    site.program({ admin: 'rotation.secretFrom.config("admin")', secret: WITHOUT_SOAK });
    await site.stack.mustUp();
    const ledgers = join(site.stack.folder, "secrets/orders-db/ledger");
    const backup = join(site.stack.folder, "backup-of-ledger");
    cpSync(ledgers, backup, { recursive: true });
    site.advance(91 * DAY);
    await site.stack.mustUp();
    assert.match(await must(["adopt", "orders-db", "--reason", "x"]), /the ledger fits the world/);
    rmSync(ledgers, { recursive: true });
    cpSync(backup, ledgers, { recursive: true });

    const refused = await site.stack.up();
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /rotation adopt orders-db/);
    assert.match((await rotation(["status"])).out, /older than the Pulumi state/);
    const release = await rotation(["release", "orders-db", "--reason", "x", "--yes"]);
    assert.match(release.err, /older than the Pulumi state|disagree/);
    assert.equal((await rotation(["audit", "verify"])).code, 1);

    const asked = await rotation(["adopt", "orders-db", "--reason", "disk failure"]);
    assert.equal(asked.code, 2);
    assert.match(asked.out, /v2 becomes the active version in place of v1/);
    const roles = await site.roles();
    const adopted = await must(["adopt", "orders-db", "--reason", "disk failure", "--yes"]);
    assert.match(adopted, /every rollout has to confirm again before anything is retired/);
    assert.deepEqual(await site.roles(), roles, "no credential is touched");
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.match(await must(["status"]), /not confirmed by rollout orders of organization\/shop\/dev/);
    assert.match(await must(["audit", "verify"]), /whole/);

    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] }, "grace starts again");
    site.advance(HOUR + 60_000);
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: [] });
    assert.match(await must(["audit", "verify"]), /whole/);
  });

  it("hands a secret over to another stack that has no entry of it yet", async () => {
    await site.stack.mustUp();
    const next = await Site.open({ project: "next" });
    try {
      const store = {
        type: "file",
        path: `${site.stack.folder}/secrets/orders-db`,
        key: { passphrase: { from: "env", name: "STORE_KEY" } },
      };
      next.program({
        secret: `connection: { host: "${site.server.host}", port: ${site.server.port}, database: "${site.database}", admin: rotation.secretFrom.env("PGADMIN_URL") },
  owner: "owner_${site.id}", memberOf: ["reader_${site.id}"], store: ${JSON.stringify(store)},`,
        rollout: null,
      });
      next.stack.env["PGADMIN_URL"] = site.stack.env["PGADMIN_URL"] ?? "";
      assert.match((await next.stack.up()).output, /rotation adopt orders-db/);
      const adopt = ["adopt", "orders-db", "--reason", "split of the project", "--yes"];
      const unnamed = await rotation(adopt, next);
      assert.equal(unnamed.code, 1);
      assert.match(unnamed.err, /has no secret orders-db.*It has none.*--store JSON/);
      assert.equal((await rotation([...adopt, "--store", JSON.stringify(store)], next)).code, 2);
      assert.equal((await rotation([...adopt, "--store", "{", "--stack", "organization/next/dev"], next)).code, 2);
      const handed = await must([...adopt, "--store", JSON.stringify(store), "--stack", "organization/next/dev"], next);
      assert.match(
        handed,
        /belongs to stack organization\/shop\/dev now and is handed over to organization\/next\/dev/,
      );
      await next.stack.mustUp();
      assert.deepEqual(await site.roles(), { live: ["v1"], disabled: [] });
      await site.stack.must("destroy", "--yes", "--skip-preview");
      assert.deepEqual(await site.roles(), { live: ["v1"], disabled: [] }, "the former owner tears nothing down");
    } finally {
      await next.close();
    }
  });

  it("finds the program's folder as the Pulumi CLI does", () => {
    const root = mkdtempSync(join(tmpdir(), "rotation-project-"));
    const file = join(root, "Pulumi.yaml");
    try {
      mkdirSync(join(root, "infra/deep"), { recursive: true });
      writeFileSync(join(root, "infra/index.ts"), "");
      const folderWith = (text: string) => {
        writeFileSync(file, `name: shop\nruntime: nodejs\n${text}`);
        return programFolder(findProjectFile(join(root, "infra/deep")));
      };
      assert.equal(folderWith(""), root);
      assert.equal(folderWith("main: infra\n"), join(root, "infra"));
      assert.equal(folderWith("main: infra/index.ts # the program\n"), join(root, "infra"));
      assert.equal(folderWith('main: "infra/"\n'), join(root, "infra"));
      assert.equal(folderWith("main: 'infra'   \n"), join(root, "infra"));
      assert.equal(folderWith("description: >\n  has no\n  main: infra\n"), root);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it("asks for decrypted values only where an entry has encrypted ones", () => {
    const mark = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
    const stateWith = (kind: unknown) => ({
      deployment: {
        resources: [
          {
            urn: "urn:pulumi:dev::shop::x$pulumi-nodejs:dynamic/rotation:SecretVersion::db",
            type: "pulumi-nodejs:dynamic/rotation:SecretVersion",
            inputs: { name: "db", stack: "organization/shop/old", kind, store: { type: "memory", name: "db" } },
            outputs: {
              ...{ name: "db", stack: "organization/shop/old", store: { type: "memory", name: "db" } },
              ...{ identity: "i", owner: "o", version: 1, incarnation: 1, epoch: 1 },
            },
          },
          { urn: "urn:other", type: "other:index:Resource", outputs: { password: mark } },
        ],
      },
    });
    const asked: boolean[] = [];
    const kind = { type: "memory", name: "issuer" };
    const read = (sealed: boolean) =>
      readState((showSecrets) => {
        asked.push(showSecrets);
        if (!sealed) return stateWith(kind);
        return stateWith({ ...mark, ...(showSecrets ? { plaintext: JSON.stringify(kind) } : { ciphertext: "…" }) });
      });
    const [plain] = read(false).owned;
    assert.deepEqual(asked, [false]);
    assert.equal(plain?.owner.stack, "organization/shop/dev", "the stack's name of now, though it was renamed");
    assert.deepEqual(read(true).owned[0]?.inputs?.kind, kind);
    assert.deepEqual(asked, [false, false, true]);
  });
});
