import * as assert from "node:assert/strict";
import * as fc from "fast-check";
import { credential, usesTls } from "../../../provider/kinds/postgres/endpoint";
import { decodeMark, encodeMark } from "../../../provider/kinds/postgres/mark";
import { prefixFromSecret, versionedRoleName } from "../../../provider/kinds/postgres/naming";
import { inputPolicy, parsePostgresOptions, postgresOptions } from "../../../provider/kinds/postgres/options";
import { scramVerifier } from "../../../provider/kinds/postgres/scram";
import { ConfigurationError, StateError } from "../../../provider/lifecycle/errors";
import { sharedServer, login } from "./support";

const GOOD = {
  type: "postgresRole",
  host: "db.example.com",
  database: "orders",
  owner: "orders_owner",
  admin: { from: "env", name: "PGADMIN_URL" },
};

describe("PostgreSQL credential kind: options", () => {
  it("have defaults, and parse to themselves once parsed", () => {
    const parsed = parsePostgresOptions(GOOD);
    assert.deepEqual(
      [parsed.port, parsed.strategy, parsed.assumeOwner, parsed.memberOf],
      [5432, "versioned", true, []],
    );
    assert.deepEqual(parsePostgresOptions(parsed), parsed);
  });

  const wrong: [string, object, RegExp][] = [
    ["a port out of range", { port: 70000 }, /port is 70000, but must be a port number from 1 to 65535/],
    ["a port that is text", { port: "5432" }, /port is "5432"/],
    ["an unknown key", { portt: 1 }, /may not have "portt"/],
    ["a missing owner", { owner: undefined }, /owner is nothing, but must be the owner, a role name/],
    ["a reserved role name", { owner: "pg_monitor" }, /owner is "pg_monitor"/],
    ["a role name that would be cut off", { owner: "x".repeat(64) }, /1 to 63 bytes/],
    ["a prefix that needs quoting", { rolePrefix: "Orders-" }, /rolePrefix is "Orders-"/],
    [
      "a duration without a unit",
      { validFor: "90" },
      /validFor is "90", but must be a duration of at least one minute/,
    ],
    ["a time limit of zero", { connectTimeout: "0s" }, /connectTimeout is "0s"/],
    ["TLS without a check", { tls: { mode: "require" } }, /tls.mode is "require", but must be "verify" or "disable"/],
    ["alternating without users", { strategy: "alternating" }, /users is missing/],
    ["users without alternating", { users: ["a", "b"] }, /only for the strategy "alternating"/],
    ["the same user twice", { strategy: "alternating", users: ["a", "a"] }, /"a" twice/],
    ["three users", { strategy: "alternating", users: ["a", "b", "c"] }, /exactly two user names/],
    ["the owner as a user", { strategy: "alternating", users: ["a", "orders_owner"] }, /the owner too/],
    ["the admin as owner", { adminUser: "orders_owner" }, /the admin itself/],
  ];
  for (const [what, over, message] of wrong) {
    it(`refuse ${what}, with the value and what is allowed`, () => {
      assert.throws(
        () => parsePostgresOptions({ ...GOOD, ...over }),
        (error) => error instanceof ConfigurationError && message.test(error.message),
      );
    });
  }

  it("do not repeat an admin credential that was given in place of where it is found", () => {
    for (const admin of [
      "postgres://a:hidden@h/d",
      { from: "literal", value: "hidden" },
      { from: "env", value: "hidden" },
    ]) {
      assert.throws(
        () => parsePostgresOptions({ ...GOOD, admin }),
        (error) => error instanceof ConfigurationError && !error.message.includes("hidden"),
      );
    }
  });

  it("have a policy for each of them", () => {
    assert.deepEqual(Object.keys(inputPolicy).sort(), Object.keys(postgresOptions.shape).sort());
  });

  it("use TLS by default unless the server is on this machine", () => {
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1", "/run/postgresql"]) {
      assert.equal(usesTls(host, undefined), false, host);
    }
    for (const host of ["db", "10.0.0.1", "localhost.example.com", "127.example.com", "::2"]) {
      assert.equal(usesTls(host, undefined), true, host);
    }
  });
});

describe("PostgreSQL credential kind: names, marks and verifiers", () => {
  it("make a role name that PostgreSQL keeps as it is, whatever the secret is called", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 10 ** 9 }), fc.uuid(), (secret, version, rotationId) => {
        const name = versionedRoleName(prefixFromSecret(secret), version, rotationId);
        assert.match(name, /^(?!pg_)[a-z][a-z0-9_]{1,62}$/);
        assert.ok(name.endsWith(`_v${version}_${rotationId.slice(0, 8)}`));
      }),
    );
  });

  it("read back the mark that was written, and take nothing else for one", () => {
    const mark = { identity: "i", rotation: "r", version: "7", owner: 'o"', memberOf: ["g"], assumeOwner: false };
    assert.deepEqual(decodeMark(encodeMark(mark)), mark);
    for (const comment of [null, "", "the orders service", "{", "{}", '{"managedBy":"somebody","identity":"i"}']) {
      assert.equal(decodeMark(comment), undefined);
    }
  });

  it("percent-encode what is special in a URL, and put IPv6 addresses into brackets", () => {
    const { url } = credential({ host: "::1", port: 5432, database: "a/b" }, undefined, "u@x", "p:/?#%");
    assert.equal(url, "postgres://u%40x:p%3A%2F%3F%23%25@[::1]:5432/a%2Fb?sslmode=disable");
    const parsed = new URL(url);
    assert.equal(decodeURIComponent(parsed.password), "p:/?#%");
  });

  it("compute the verifier that the server itself computes for the same password and salt", async () => {
    const server = await sharedServer();
    const superuser = await login(server, server.superuser, server.password, "postgres");
    try {
      const password = "a-Password_of-tests~1";
      await superuser.query(`CREATE ROLE scram_reference PASSWORD '${password}'`);
      const { rows } = await superuser.query(
        `SELECT rolpassword AS v FROM pg_authid WHERE rolname = 'scram_reference'`,
      );
      const salt = Buffer.from(/:([^$]+)\$/.exec(rows[0].v as string)![1]!, "base64");
      assert.equal(await scramVerifier(password, salt), rows[0].v);
    } finally {
      await superuser.query(`DROP ROLE IF EXISTS scram_reference`);
      await superuser.end();
    }
  });

  it("refuse a password that SASLprep would change, without repeating it", async () => {
    await assert.rejects(
      scramVerifier("pässword"),
      (error) => error instanceof StateError && !error.message.includes("pässword"),
    );
  });
});
