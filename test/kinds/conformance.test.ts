import { rmSync, writeFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import type { CredentialKind } from "../../provider/contracts/kind";
import type { SecretValue } from "../../provider/contracts/context";
import { createEncryptionKeyKind, encryptionKeyOptions } from "../../provider/kinds/encryptionKey";
import { createHmacKeyKind, hmacKeyOptions } from "../../provider/kinds/hmacKey";
import { createRandomSecretKind, randomSecretOptions } from "../../provider/kinds/randomSecret";
import { createSigningKeyKind, signingKeyOptions } from "../../provider/kinds/signingKey";
import { kindConformance, type KindDeviations, type KindSubject } from "../../testing/kindConformance";
import { Site, SLOW_MS } from "./support";

interface Variant {
  readonly make: (site: Site) => CredentialKind;
  readonly unreachable?: (site: Site) => CredentialKind;
  readonly secretFields: readonly string[];
  readonly falsify: (value: SecretValue) => SecretValue;
  /** The answer of its program while a version is in use, and when none is; absent: there is no program. */
  readonly tells?: { readonly used: object; readonly unused: object };
  readonly deviations?: KindDeviations;
}

/** Answers what the file of the key's id holds, and otherwise that nothing uses it. */
const answering = (site: Site, unused: object) =>
  site.program(
    "usage",
    `const { existsSync, readFileSync } = require("node:fs");
     const file = folder + "/used-" + request.key.rotation;
     console.log("looking");
     console.log(existsSync(file) ? readFileSync(file, "utf8") : ${JSON.stringify(JSON.stringify(unused))});`,
  );

const wrong = "wrong-but-also-secret";
const USAGE = { used: { used: 2, by: ["orders-api", "orders-worker"] }, unused: { used: 0 } };
const usage = (site: Site) => ({ command: answering(site, USAGE.unused) });
const JWKS = { type: "signingKey", cacheTime: "5m", tokenLifetime: "1h" } as const;

const signing = (algorithm: "RS256" | "ES256" | "EdDSA", more: object = {}): Variant => ({
  make: (site) =>
    createSigningKeyKind(
      signingKeyOptions.parse({ ...JWKS, algorithm, jwksFile: site.path("jwks.json"), ...more }),
      site.context,
    ),
  unreachable: (site) =>
    createSigningKeyKind(
      signingKeyOptions.parse({ ...JWKS, algorithm, jwksFile: site.path("not-mounted/jwks.json"), ...more }),
      site.context,
    ),
  secretFields: ["privateKey", "privateJwk"],
  falsify: (value) => {
    const pair = {
      RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
      ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
      EdDSA: () => generateKeyPairSync("ed25519"),
    }[algorithm]();
    return {
      ...value,
      privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      privateJwk: JSON.stringify(pair.privateKey.export({ format: "jwk" })),
    };
  },
});

const VARIANTS: Record<string, Variant> = {
  "randomSecret, of characters": {
    make: (site) => createRandomSecretKind(randomSecretOptions.parse({ type: "randomSecret" }), site.context),
    secretFields: ["secret"],
    falsify: () => ({ secret: wrong }),
  },
  "randomSecret, of bytes, with a program that knows who uses it": {
    make: (site) =>
      createRandomSecretKind(
        randomSecretOptions.parse({ type: "randomSecret", bytes: {}, usage: usage(site) }),
        site.context,
      ),
    secretFields: ["secret"],
    falsify: () => ({ secret: wrong }),
    tells: USAGE,
    deviations: { revokeRefusesWhileUsed: false },
  },
  hmacKey: {
    make: (site) => createHmacKeyKind(hmacKeyOptions.parse({ type: "hmacKey", prefix: "whsec_" }), site.context),
    secretFields: ["key"],
    falsify: (value) => ({ ...value, key: wrong }),
  },
  "hmacKey, with a program that knows who uses it": {
    make: (site) =>
      createHmacKeyKind(
        hmacKeyOptions.parse({ type: "hmacKey", algorithm: "sha512", encoding: "hex", usage: usage(site) }),
        site.context,
      ),
    secretFields: ["key"],
    falsify: (value) => ({ ...value, key: wrong }),
    tells: USAGE,
    deviations: { revokeRefusesWhileUsed: false },
  },
  encryptionKey: {
    make: (site) =>
      createEncryptionKeyKind(
        encryptionKeyOptions.parse({ type: "encryptionKey", rewrap: { command: answering(site, { left: 0 }) } }),
        site.context,
      ),
    secretFields: ["key"],
    falsify: (value) => ({ ...value, key: wrong }),
    tells: { used: { left: 7 }, unused: { left: 0 } },
    deviations: { revokeEndsUses: false },
  },
  "signingKey, ES256": signing("ES256"),
  "signingKey, EdDSA": signing("EdDSA"),
  "signingKey, RS256": signing("RS256", { modulusLength: 2048 }),
};

async function subject(variant: Variant): Promise<KindSubject> {
  const site = new Site();
  const { tells, unreachable } = variant;
  const kind = variant.make(site);
  /** The rotation of a value, as its reference names it: consumers know their version. */
  const rotations = new Map<string, string>();
  const remembering = (of: CredentialKind): CredentialKind => ({
    ...of,
    propose: (request) => of.propose(request),
    issue: async (request) => {
      const issued = await of.issue(request);
      rotations.set(JSON.stringify(issued.value), request.rotationId);
      return issued;
    },
    verify: (value, ref) => of.verify(value, ref),
    inspect: (identity) => of.inspect(identity),
    usage: (ref) => of.usage(ref),
    disable: (ref) => of.disable(ref),
    enable: (ref) => of.enable(ref),
    revoke: (ref, options) => of.revoke(ref, options),
    close: () => of.close(),
  });
  return {
    kind: remembering(kind),
    another: () => remembering(variant.make(site)),
    unreachable: () => (unreachable ?? variant.make)(site),
    secretFields: variant.secretFields,
    falsify: variant.falsify,
    ...(tells && {
      use: async (value) => {
        const file = site.path(`used-${rotations.get(JSON.stringify(value))}`);
        writeFileSync(file, JSON.stringify(tells.used));
        return { end: async () => rmSync(file, { force: true }) };
      },
    }),
    logged: () => site.logged,
    dispose: async () => site.dispose(),
  };
}

for (const [name, variant] of Object.entries(VARIANTS)) {
  describe(`Kinds of keys, conformance: ${name}`, function () {
    this.timeout(SLOW_MS);
    const { deviations } = variant;
    const cases = kindConformance({ subject: () => subject(variant), ...(deviations ? { deviations } : {}) });
    for (const { name: title, run } of cases) it(title, run);
  });
}
