/**
 * Signers and verifiers of tokens, in a time of their own. Verifiers fetch the JWKS over HTTP from the file, keep it as
 * long as they may, and never fetch it early: a key that they do not know is a rejected token.
 */
import { createPublicKey, createPrivateKey, sign, verify, type JsonWebKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { memoryStoreContents } from "../../provider/stores/memory";
import { TestClock } from "../support/miniEngine";

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
const decode = (part = ""): Record<string, any> => JSON.parse(Buffer.from(part, "base64url").toString()) as never;
const hashOf = (alg: string): string | null => (alg === "EdDSA" ? null : "sha256");

export interface Limits {
  readonly cacheMs: number;
  readonly tokenLifetimeMs: number;
  /** How long the signer keeps the key that it has read. */
  readonly readersCacheMs: number;
  /** How often something is signed and checked. */
  readonly stepMs: number;
}

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: string;
}

interface Verifier {
  keys: readonly JsonWebKey[];
  fetchedAt: number;
}

/** Whatever waits lets the time pass step by step, with the load of each step. */
export class WorldClock extends TestClock {
  world: World | undefined;
  /** Called at each step; an error is a run that is killed there. */
  onStep: () => void = () => undefined;

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const until = this.time + ms;
    while (this.time < until) {
      signal?.throwIfAborted();
      this.time = Math.min(until, this.time + (this.world?.limits.stepMs ?? ms));
      await this.world?.load();
      this.onStep();
    }
  }
}

export class World {
  readonly rejected: string[] = [];
  readonly kidsUsed = new Set<string>();
  readonly algorithmsUsed = new Set<string>();
  accepted = 0;
  fetches = 0;
  private tokens: { readonly token: string; readonly expiresAt: number }[] = [];
  private key: Key | undefined;
  private keyReadAt = 0;
  private readonly verifiers: Verifier[];
  private readonly server: Server;
  private nextId = 1;

  constructor(
    readonly clock: WorldClock,
    readonly store: string,
    jwksFile: string,
    readonly limits: Limits,
    verifiers: number,
  ) {
    this.server = createServer((_request, response) => {
      this.fetches++;
      response.setHeader("content-type", "application/jwk-set+json");
      response.end(readFileSync(jwksFile));
    });
    // Their caches run out at different times.
    this.verifiers = Array.from({ length: verifiers }, (_, index) => ({
      keys: [],
      fetchedAt: clock.now() - Math.floor((limits.cacheMs * (index + 1)) / verifiers),
    }));
    clock.world = this;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    for (const verifier of this.verifiers) verifier.keys = await this.fetchKeys();
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Lets time pass under load. */
  async pass(ms: number): Promise<void> {
    await this.clock.sleep(ms);
  }

  /** One step: something is signed, and everybody checks what is new, what is about to expire, and something between. */
  async load(): Promise<void> {
    const now = this.clock.now();
    this.tokens = this.tokens.filter(({ expiresAt }) => expiresAt > now);
    this.tokens.push({ token: this.signed(now), expiresAt: now + this.limits.tokenLifetimeMs });
    const picked = new Set([0, this.tokens.length - 1, Math.floor((this.tokens.length * (this.nextId % 7)) / 7)]);
    for (const verifier of this.verifiers) {
      if (now - verifier.fetchedAt >= this.limits.cacheMs) {
        verifier.keys = await this.fetchKeys();
        // Where much time has passed at once, their caches still run out at different times.
        verifier.fetchedAt += Math.floor((now - verifier.fetchedAt) / this.limits.cacheMs) * this.limits.cacheMs;
      }
      for (const index of picked) this.check(verifier, this.tokens[index]?.token ?? "", now);
    }
  }

  private signed(now: number): string {
    if (!this.key || now - this.keyReadAt >= this.limits.readersCacheMs) {
      const { current, versions } = memoryStoreContents(this.store);
      this.key = versions.get(current?.token ?? "")?.value as unknown as Key;
      this.keyReadAt = now;
    }
    const { kid, alg, privateKey } = this.key;
    this.kidsUsed.add(kid);
    this.algorithmsUsed.add(alg);
    const text = `${encode({ alg, kid, typ: "JWT" })}.${encode({ jti: this.nextId++, exp: now + this.limits.tokenLifetimeMs })}`;
    const key = { key: createPrivateKey(privateKey), dsaEncoding: "ieee-p1363" } as const;
    return `${text}.${sign(hashOf(alg), Buffer.from(text), key).toString("base64url")}`;
  }

  private check(verifier: Verifier, token: string, now: number): void {
    const [header, payload, signature = ""] = token.split(".");
    const { kid, alg } = decode(header) as { kid: string; alg: string };
    const jwk = verifier.keys.find((key) => key["kid"] === kid && key["alg"] === alg);
    const { exp, jti } = decode(payload) as { exp: number; jti: number };
    const good =
      jwk !== undefined &&
      exp > now &&
      verify(
        hashOf(alg),
        Buffer.from(`${header}.${payload}`),
        { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
        Buffer.from(signature, "base64url"),
      );
    if (good) this.accepted++;
    else this.rejected.push(`token ${jti} of ${kid} at ${new Date(now).toISOString()}${jwk ? "" : ": unknown key"}`);
  }

  private async fetchKeys(): Promise<readonly JsonWebKey[]> {
    const { port } = this.server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`);
    return ((await response.json()) as { keys: JsonWebKey[] }).keys;
  }
}
