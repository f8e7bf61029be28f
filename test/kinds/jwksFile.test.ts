import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { CredentialKind, IssueRequest } from "../../provider/contracts/kind";
import { ConfigurationError, StateError } from "../../provider/lifecycle/errors";
import { createSigningKeyKind, signingKeyOptions } from "../../provider/kinds/signingKey";
import { thumbprint } from "../../provider/kinds/signingKey/jwk";
import { Site } from "./support";

const KEEP = { terminateSessions: false };

describe("the JWKS file of signing keys", () => {
  let site: Site;
  let version: number;
  beforeEach(() => {
    site = new Site();
    version = 0;
  });
  afterEach(() => site.dispose());

  const file = () => site.path("jwks.json");
  const document = () =>
    JSON.parse(readFileSync(file(), "utf8")) as { keys: { kid: string }[]; [member: string]: unknown };
  const kids = () => document().keys.map(({ kid }) => kid);
  const kind = (more: object = {}): CredentialKind =>
    createSigningKeyKind(
      signingKeyOptions.parse({
        ...{ type: "signingKey", jwksFile: file(), cacheTime: "5m", tokenLifetime: "1h" },
        ...more,
      }),
      site.context,
    );
  async function draft(of: CredentialKind, identity: string = randomUUID()): Promise<IssueRequest> {
    const request = { secret: "tokens", identity, rotationId: randomUUID(), version: ++version, live: [] };
    return { ...request, draft: await of.propose(request) };
  }

  it("names a key by its thumbprint, as the example of RFC 7638 does", () => {
    const n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
      "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5ha" +
      "jrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    const key = { kty: "RSA", n, e: "AQAB", alg: "RS256", kid: "2011-04-29" };
    assert.equal(thumbprint(key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  });

  it("holds public keys only, for everybody to read, and is replaced as a whole", async () => {
    const request = await draft(kind());
    await kind().issue(request);
    assert.equal(statSync(file()).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(site.folder), ["jwks.json"]);
    const [key] = document().keys as unknown as Record<string, unknown>[];
    assert.deepEqual(Object.keys(key ?? {}).sort(), ["alg", "crv", "kid", "kty", "rotation", "use", "x", "y"]);
    const { value } = request.draft;
    assert.ok(!readFileSync(file(), "utf8").includes((JSON.parse(value?.["privateJwk"] ?? "") as { d: string }).d));
  });

  it("keeps the keys and members of others, whatever is done with ours", async () => {
    const other = { kty: "oct", kid: "theirs", note: "not ours" };
    writeFileSync(file(), JSON.stringify({ keys: [other], note: 1 }));
    const request = await draft(kind({ publishWait: "0s" }));
    const { ref } = await kind({ publishWait: "0s" }).issue(request);
    await kind().disable(ref);
    assert.deepEqual(kids(), ["theirs"]);
    await kind().enable(ref);
    assert.deepEqual(kids(), ["theirs", ref["kid"]]);
    await kind().revoke(ref, KEEP);
    assert.deepEqual(document(), { keys: [other], note: 1 });
  });

  it("is shared by several secrets and processes: no key is lost", async () => {
    // They wait for each other in real time.
    site.clock.now = () => Date.now();
    site.clock.sleep = (ms) => delay(ms);
    const requests = await Promise.all(Array.from({ length: 12 }, () => draft(kind())));
    await Promise.all(requests.map((request) => kind({ publishWait: "0s" }).issue(request)));
    assert.deepEqual(kids().sort(), requests.map(({ draft: { ref } }) => ref["kid"]).sort());
    for (const { identity, rotationId } of requests)
      assert.deepEqual(
        (await kind().inspect(identity)).map((found) => found.rotationId),
        [rotationId],
      );
  });

  it("waits for the cache time, but not where it is made for the first key of a secret", async () => {
    const started = site.clock.now();
    await kind().issue(await draft(kind()));
    assert.equal(site.clock.now(), started);
    await kind().issue(await draft(kind()));
    assert.equal(site.clock.now() - started, 300_000);
    assert.match(site.logged.join("\n"), /signing waits 5 minutes more, until every cache has it/);
  });

  it("is waited for again when the key vanishes from it meanwhile", async () => {
    await kind().issue(await draft(kind()));
    const request = await draft(kind());
    const { sleep } = site.clock;
    let vanishes = 1;
    site.clock.sleep = async (ms, signal) => {
      await sleep.call(site.clock, ms, signal);
      if (vanishes-- === 1) writeFileSync(file(), JSON.stringify({ keys: [] }));
    };
    const started = site.clock.now();
    const { ref } = await kind().issue(request);
    assert.deepEqual(kids(), [ref["kid"]]);
    assert.equal(site.clock.now() - started, 600_000);
    assert.match(site.logged.join("\n"), /vanished from .*; it is published again/);
  });

  it("ends its wait at once when the run is cancelled, and a later run waits for the rest only", async () => {
    await kind().issue(await draft(kind()));
    const request = await draft(kind());
    const { sleep } = site.clock;
    let slept = 0;
    site.clock.sleep = async (ms, signal) => {
      if (++slept === 3) site.cancelled.abort(new Error("cancelled"));
      await sleep.call(site.clock, ms, signal);
    };
    const started = site.clock.now();
    await assert.rejects(kind().issue(request), /cancelled/);
    assert.equal(site.clock.now() - started, 120_000);
    Object.assign(site, { cancelled: new AbortController() });
    await kind().issue(request);
    assert.equal(site.clock.now() - started, 300_000);
  });

  it("is left as it is where it holds something else, and where somebody else's key has the id", async () => {
    writeFileSync(file(), "<html>");
    await assert.rejects(kind().issue(await draft(kind())), StateError);
    await assert.rejects(kind().inspect("any"), /is no JWKS/);
    assert.equal(readFileSync(file(), "utf8"), "<html>");
    const request = await draft(kind());
    const taken = { keys: [{ kid: request.draft.ref["kid"] }] };
    writeFileSync(file(), JSON.stringify(taken));
    await assert.rejects(kind().issue(request), /that this rotation did not publish. It was left untouched/);
    assert.deepEqual(document(), taken);
    await kind().revoke(request.draft.ref, KEEP);
    assert.deepEqual(document(), taken);
  });

  it("takes over a lock that a killed process has left, once it is old enough", async () => {
    const request = await draft(kind());
    writeFileSync(`${file()}.lock`, "of a process that was killed");
    const old = Date.now() / 1000 - 11;
    utimesSync(`${file()}.lock`, old, old);
    await kind().issue(request);
    assert.deepEqual(readdirSync(site.folder), ["jwks.json"]);
    writeFileSync(`${file()}.lock`, "of a process that is at work");
    await assert.rejects(
      kind().issue(await draft(kind())),
      /is being changed by somebody else: .*jwks.json.lock is held/,
    );
    assert.deepEqual(readdirSync(site.folder).sort(), ["jwks.json", "jwks.json.lock"]);
  });

  it("may be a link to where the web server looks, which stays one", async () => {
    mkdirSync(site.path("www"));
    writeFileSync(site.path("www/keys.json"), JSON.stringify({ keys: [] }));
    symlinkSync(site.path("www/keys.json"), file());
    const { ref } = await kind().issue(await draft(kind()));
    assert.ok(lstatSync(file()).isSymbolicLink());
    assert.match(readFileSync(site.path("www/keys.json"), "utf8"), new RegExp(ref["kid"] ?? ""));
  });

  it("that may not be written is said with what is missing", async () => {
    // Nothing but the kernel itself keeps the superuser from writing.
    const folder = process.getuid?.() === 0 ? "/sys/kernel" : site.folder;
    if (folder === site.folder) chmodSync(folder, 0o500);
    const forbidden = kind({ jwksFile: `${folder}/jwks.json` });
    try {
      await assert.rejects(forbidden.issue(await draft(forbidden)), (error: unknown) => {
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.match(
          error.message,
          /cannot be written \((EACCES|EPERM|EROFS)\). Whoever runs pulumi needs to write in /,
        );
        return true;
      });
    } finally {
      chmodSync(site.folder, 0o700);
    }
  });
});
