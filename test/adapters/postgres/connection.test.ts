import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { parseAdminUrl } from "../../../provider/kinds/postgres/admin";
import { loadDriver } from "../../../provider/kinds/postgres/driver";
import { ConfigurationError, UnreachableError } from "../../../provider/lifecycle/errors";
import { startPostgres } from "../../support/postgres";
import { selfSigned } from "../../support/selfSigned";
import { Rotations, Site } from "./support";

describe("PostgreSQL credential kind: connections", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  /** Accepts connections and never says a word. */
  async function silentServer(): Promise<{ port: number; close(): void }> {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      port: (server.address() as net.AddressInfo).port,
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  }

  it("keeps one admin connection, opens it again when it was cut, and ends it on close", async () => {
    const kind = site.kind();
    const rotations = new Rotations(kind);
    const admins = async () =>
      (await site.superuser.query(`SELECT pid FROM pg_stat_activity WHERE usename = $1`, [site.admin])).rows;
    await rotations.issue();
    const [first] = await admins();
    await kind.inspect(rotations.identity);
    assert.deepEqual(await admins(), [first]);
    await site.superuser.query(`SELECT pg_terminate_backend($1)`, [first.pid]);
    assert.equal((await kind.inspect(rotations.identity)).length, 1);
    assert.equal((await admins()).length, 1);
    await kind.close();
    assert.deepEqual(await admins(), []);
  });

  it("gives up on a server that accepts and stays silent, within the time limit", async () => {
    const silent = await silentServer();
    try {
      const resolveSecret = async () => `postgres://admin:hidden-password@127.0.0.1:${silent.port}/x`;
      const kind = site.kind({ port: silent.port, connectTimeout: "300ms" }, { resolveSecret });
      const began = Date.now();
      await assert.rejects(kind.inspect("x"), UnreachableError);
      const value = { username: "u", password: "p", host: "127.0.0.1", port: String(silent.port), database: "d" };
      await assert.rejects(kind.verify(value, { role: "u" }), UnreachableError);
      assert.ok(Date.now() - began < 5_000);
    } finally {
      silent.close();
    }
  });

  it("stops at once when the run is cancelled, while it connects and while a statement waits", async () => {
    const silent = await silentServer();
    try {
      const connecting = new AbortController();
      const value = { username: "u", password: "p", host: "127.0.0.1", port: String(silent.port), database: "d" };
      const kind = site.kind({}, { signal: connecting.signal });
      setTimeout(() => connecting.abort(new Error("cancelled by the user")), 50);
      await assert.rejects(kind.verify(value, { role: "u" }), /cancelled by the user/);
    } finally {
      silent.close();
    }
    const waiting = new AbortController();
    const kind = site.kind({}, { signal: waiting.signal });
    const draft = await new Rotations(kind).draft();
    await kind.inspect("x");
    await site.superuser.query(`BEGIN; LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE`);
    setTimeout(() => waiting.abort(new Error("cancelled by the user")), 100);
    await assert.rejects(kind.issue(draft), /cancelled by the user/);
    await site.superuser.query(`ROLLBACK`);
    assert.equal(await site.roleExists(draft.draft.ref["role"]!), false);
  });

  it("takes too many connections for unreachable, and a database that is missing for not working", async () => {
    const kind = site.kind();
    const { ref, value } = await new Rotations(kind).issue();
    assert.equal((await kind.verify({ ...value, database: "missing" }, ref)).works, false);
    await site.superuser.query(`ALTER ROLE ${ref["role"]} CONNECTION LIMIT 0`);
    await assert.rejects(kind.verify(value, ref), UnreachableError);
  });

  it("does not take a version for working that lost the rights of the owner", async () => {
    for (const assumeOwner of [true, false]) {
      const kind = site.kind({ assumeOwner });
      const { ref, value } = await new Rotations(kind).issue();
      await site.superuser.query(`REVOKE ${site.owner} FROM ${ref["role"]} GRANTED BY ${site.admin}`);
      assert.equal((await kind.verify(value, ref)).works, false);
    }
  });

  it("judges a version by how it was made, though the options have changed since", async () => {
    const { ref, value } = await new Rotations(site.kind({ assumeOwner: false })).issue();
    assert.equal((await site.kind({ assumeOwner: true }).verify(value, ref)).works, true);
  });

  it("logs the admin in by user name and password, and over a Unix socket", async () => {
    const admin = { admin: { from: "env", name: "ADMIN_PASSWORD" } as const, adminUser: site.admin };
    assert.deepEqual(await site.kind(admin).inspect("x"), []);
    // On the socket the server asks for the password as well.
    assert.deepEqual(await site.kind({ ...admin, host: site.server.socketDir }).inspect("x"), []);
    const overSocket = site.kind({ ...admin, host: site.server.socketDir });
    const { ref, value } = await new Rotations(overSocket).issue();
    assert.equal((await overSocket.verify(value, ref)).works, true);
    assert.match(value["url"]!, /@%2F.*\?sslmode=disable$/);
  });

  it("says what is wrong with the admin's credential, without a word of it", async () => {
    const { host, port } = site.server;
    const wrong: Record<string, [string, Partial<Parameters<Site["kind"]>[0]>]> = {
      "refuses the admin": [`postgres://${site.admin}:hidden-password@${host}:${port}/postgres`, {}],
      "must resolve to a URL": ["hidden-password", {}],
      "no user name": [`postgres://${host}:${port}/hidden-password`, {}],
      "another scheme": ["mysql://x:hidden-password@h/d", {}],
      "must be a password alone": ["postgres://x:hidden-password@h/d", { adminUser: site.admin }],
    };
    for (const [what, [secret, options]] of Object.entries(wrong)) {
      await assert.rejects(
        site.kind(options, { resolveSecret: async () => secret }).inspect("x"),
        (error) =>
          error instanceof ConfigurationError &&
          error.message.includes(what) &&
          !error.message.includes("hidden-password"),
      );
    }
  });

  it("takes host, port and database of the admin's URL for the admin, and the options for what it leaves out", () => {
    const fallback = { host: "db", port: 6432, database: "orders" };
    assert.deepEqual(parseAdminUrl("postgres://a:p%40ss@other:5433/postgres?sslmode=require", fallback), {
      user: "a",
      password: "p@ss",
      endpoint: { host: "other", port: 5433, database: "postgres" },
    });
    assert.deepEqual(parseAdminUrl("postgresql://a@[::1]", fallback).endpoint, { ...fallback, host: "::1" });
    assert.equal(parseAdminUrl("postgres://a:p@%2Frun%2Fpg:5432/x", fallback).endpoint.host, "/run/pg");
  });

  it("prints the install command where the driver is missing", async () => {
    const missing = Object.assign(new Error("Cannot find module 'pg'"), { code: "MODULE_NOT_FOUND" });
    await assert.rejects(
      loadDriver(() => Promise.reject(missing)),
      (error) => error instanceof ConfigurationError && error.message.includes("npm install pg"),
    );
  });
});

describe("PostgreSQL credential kind: TLS", () => {
  let folder: string;
  before(() => void (folder = fs.mkdtempSync(path.join(os.tmpdir(), "rotating-secrets-tls-"))));
  after(() => fs.rmSync(folder, { recursive: true }));

  async function withServer(
    certificateFor: string,
    check: (site: Site, caFile: string) => Promise<void>,
  ): Promise<void> {
    const files = selfSigned(certificateFor);
    const caFile = path.join(folder, `${certificateFor}.pem`);
    fs.writeFileSync(caFile, files.certificate);
    const server = await startPostgres({ tls: files });
    try {
      const site = await Site.create(server);
      try {
        await check(site, caFile);
      } finally {
        await site.dispose();
      }
    } finally {
      await server.stop();
    }
  }

  it("encrypts, accepts a certificate of the given authority for that very address, and no other", async () => {
    await withServer("127.0.0.1", async (site, caFile) => {
      const kind = site.kind({ tls: { mode: "verify", caFile } });
      const { ref, value } = await new Rotations(kind).issue();
      assert.equal((await kind.verify(value, ref)).works, true);
      assert.match(value["url"]!, /\?sslmode=verify-full$/);
      const { rows } = await site.superuser.query(
        `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1`,
        [site.admin],
      );
      assert.deepEqual(rows, [{ ssl: true }]);
      await assert.rejects(site.kind({ tls: { mode: "verify" } }).inspect("x"), UnreachableError);
      const missing = { mode: "verify", caFile: path.join(folder, "missing.pem") } as const;
      await assert.rejects(site.kind({ tls: missing }).inspect("x"), ConfigurationError);
    });
  });

  it("refuses a certificate for another host", async () => {
    // "localhost" is what Node.js compares with when it is told no host: an address must not pass as that.
    await withServer("localhost", async (site, caFile) => {
      await assert.rejects(site.kind({ tls: { mode: "verify", caFile } }).inspect("x"), UnreachableError);
    });
  });

  it("does not fall back to plain text where the server offers no TLS", async () => {
    const site = await Site.create();
    try {
      await assert.rejects(site.kind({ tls: { mode: "verify" } }).inspect("x"), UnreachableError);
    } finally {
      await site.dispose();
    }
  });
});
