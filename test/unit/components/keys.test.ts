/** What a program writes about keys, held against what the kinds take. */
import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { RotatingEncryptionKey } from "../../../components/rotatingEncryptionKey";
import { RotatingHmacKey } from "../../../components/rotatingHmacKey";
import { RotatingRandomSecret } from "../../../components/rotatingRandomSecret";
import type { RotatingSecret } from "../../../components/rotatingSecret";
import { RotatingSigningKey } from "../../../components/rotatingSigningKey";
import * as registry from "../../../provider/registry";
import { run } from "./support";

const store = { type: "memory", name: "keys" };
const usage = { command: ["ctl", "usage"], env: { REGION: "eu" }, timeout: "1m" };
type Options = pulumi.ComponentResourceOptions;

/** Every option of a kind; where some exclude each other, in several programs. */
const PROGRAMS: Readonly<Record<string, readonly ((opts: Options) => RotatingSecret)[]>> = {
  randomSecret: [
    (opts) => new RotatingRandomSecret("s", { store, bytes: { count: 48, encoding: "hex" }, usage }, opts),
    (opts) =>
      new RotatingRandomSecret(
        "s",
        {
          ...{ store, length: 40, characters: ["lower", "symbols"], symbols: "!-", atLeast: { symbols: 1 } },
          ...{ exclude: "x", unambiguous: true },
        },
        opts,
      ),
  ],
  hmacKey: [
    (opts) =>
      new RotatingHmacKey(
        "s",
        { store, algorithm: "sha512", bytes: 64, encoding: "hex", prefix: "whsec_", usage },
        opts,
      ),
  ],
  encryptionKey: [
    (opts) => new RotatingEncryptionKey("s", { store, algorithm: "AES-256-GCM", rewrap: usage }, opts),
    (opts) => new RotatingEncryptionKey("s", { store, rewrap: usage }, { ...opts, protect: false }),
  ],
  signingKey: [
    (opts) =>
      new RotatingSigningKey(
        "s",
        {
          ...{ store, algorithm: "RS256", modulusLength: 3072, jwksFile: "jwks.json", cacheTime: "5m" },
          ...{ tokenLifetime: "1h", publishWait: "6m", usage },
        },
        opts,
      ),
  ],
};

describe("what a program writes about keys", () => {
  for (const [type, programs] of Object.entries(PROGRAMS)) {
    it(`can name every option of the kind "${type}", and the kind takes it`, async () => {
      const { options } = await registry.kinds[type]!();
      const named = new Set<string>();
      for (const program of programs) {
        const { made } = await run(program);
        const kind = made.find((resource) => resource.type.endsWith(":SecretVersion"))?.inputs["kind"] as object;
        const { error } = options.safeParse(kind);
        assert.equal(error, undefined);
        for (const name of Object.keys(kind)) named.add(name);
      }
      const { shape } = options as unknown as { shape: object };
      assert.deepEqual([...named].sort(), Object.keys(shape).sort());
    });
  }

  it("protects an encryption key unless it says otherwise", async () => {
    const protects = async (program: (opts: Options) => RotatingSecret) =>
      (await run(program)).made.find((resource) => resource.type.endsWith(":SecretVersion"))?.inputs["protect"];
    const [byDefault, otherwise] = PROGRAMS["encryptionKey"] ?? [];
    assert.equal(await protects(byDefault!), true);
    assert.equal(await protects(otherwise!), undefined);
  });
});
