/** Key pairs as JSON Web Keys, their thumbprints, and signatures made and checked with them. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair as generateKeyPairCallback,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import type { SecretValue } from "../../contracts/context";
import type { Algorithm, SigningKeyOptions } from "./options";

const generateKeyPair = promisify(generateKeyPairCallback);

/** A public key in a JWKS. Members that nobody knows are ignored by verifiers (RFC 7517, section 4). */
export interface PublicJwk {
  readonly kty: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: string;
  readonly [member: string]: unknown;
}

const DEFAULT_MODULUS_LENGTH = 2048;

/** The members that a thumbprint is made of, in its order (RFC 7638, section 3.2; for OKP, RFC 8037, section 2). */
const REQUIRED_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  RSA: ["e", "kty", "n"],
};

export function thumbprint(jwk: Readonly<Record<string, unknown>>): string {
  const members = REQUIRED_MEMBERS[String(jwk["kty"])] ?? [];
  const canonical = JSON.stringify(Object.fromEntries(members.map((member) => [member, jwk[member]])));
  return createHash("sha256").update(canonical).digest("base64url");
}

function generate({ algorithm, modulusLength }: SigningKeyOptions): Promise<{ privateKey: KeyObject }> {
  switch (algorithm) {
    case "RS256":
      return generateKeyPair("rsa", { modulusLength: modulusLength ?? DEFAULT_MODULUS_LENGTH });
    case "ES256":
      return generateKeyPair("ec", { namedCurve: "P-256" });
    case "EdDSA":
      return generateKeyPair("ed25519");
  }
}

/** A new key pair, as its consumers get it. */
export async function newKey(options: SigningKeyOptions): Promise<SecretValue> {
  const { privateKey } = await generate(options);
  const publicKey = createPublicKey(privateKey);
  const members = publicKey.export({ format: "jwk" });
  const named = { kid: thumbprint({ ...members }), alg: options.algorithm, use: "sig" };
  return {
    kid: named.kid,
    alg: named.alg,
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    privateJwk: JSON.stringify({ ...privateKey.export({ format: "jwk" }), ...named }),
    publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
    publicJwk: JSON.stringify({ ...members, ...named }),
  };
}

/** The public part of a value; `undefined` where it holds none, or one of another key id. */
export function publicJwkOf(value: SecretValue): PublicJwk | undefined {
  try {
    const jwk = JSON.parse(value["publicJwk"] ?? "") as PublicJwk;
    // What is published is written anew from known members: a private one that got in by mistake would be seen by all.
    const members = Object.fromEntries((REQUIRED_MEMBERS[jwk.kty] ?? []).map((member) => [member, jwk[member]]));
    const kid = thumbprint(members);
    if (kid !== value["kid"] || typeof jwk.alg !== "string") return undefined;
    return { kty: jwk.kty, ...members, kid, alg: jwk.alg, use: "sig" };
  } catch {
    return undefined;
  }
}

/** Whether the private keys of the value, in both forms, make signatures that the published key accepts. */
export function signsFor(value: SecretValue, published: PublicJwk): boolean {
  try {
    const checker = createPublicKey({ key: published as never, format: "jwk" });
    const forms = [
      createPrivateKey(value["privateKey"] ?? ""),
      createPrivateKey({ key: JSON.parse(value["privateJwk"] ?? "") as never, format: "jwk" }),
    ];
    return forms.every((signer) => isSignedBy(published.alg as Algorithm, signer, checker));
  } catch {
    // Not even a key. The error could quote it.
    return false;
  }
}

function isSignedBy(algorithm: Algorithm, signer: KeyObject, checker: KeyObject): boolean {
  const message = Buffer.from("pulumi-rotating-secrets verifies a key");
  const hash = algorithm === "EdDSA" ? null : "sha256";
  const encoding = { dsaEncoding: "ieee-p1363" } as const;
  const signature = sign(hash, message, { key: signer, ...encoding });
  return verify(hash, message, { key: checker, ...encoding }, signature);
}
