/** The token that requests carry: kept while it is good, renewed or replaced before it ends. */
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, RotationError } from "../../lifecycle/errors";
import type { VaultUse } from "./failures";
import { leaseOf, logIn, type Lease } from "./login";
import type { VaultAuth } from "./options";
import type { Transport, VaultRequest } from "./transport";

/** A token that was given to us is not looked up before it is needed for so long: most runs are over by then. */
const LOOK_UP_AFTER_MS = 60_000;
/** A lease is renewed when less than this part of it is left. */
const RENEW_AT = 1 / 3;
/** HTTP allows no other characters in a header, and Vault makes no such tokens. */
const TOKEN = /^[\x21-\x7e]+$/;

interface Held {
  readonly token: string;
  readonly fromLogin: boolean;
  /** When it ends, by the context's clock; `undefined`: never, or not known. */
  readonly endsAt: number | undefined;
  /** When to see to it that it goes on; `undefined`: never. */
  readonly careAt: number | undefined;
  readonly renewable: boolean;
}

export class Tokens {
  private held: Held | undefined;
  /** One at a time, however many requests are waiting for it. */
  private underWay: Promise<Held> | undefined;

  constructor(
    private readonly auth: VaultAuth,
    private readonly transport: Transport,
    private readonly use: VaultUse,
    private readonly context: AdapterContext,
  ) {}

  /** @throws ConfigurationError when there is none to be had. */
  async get(): Promise<string> {
    const { held } = this;
    if (held !== undefined && (held.careAt === undefined || this.context.clock.now() < held.careAt)) return held.token;
    this.underWay ??= this.next(held).finally(() => (this.underWay = undefined));
    this.held = await this.underWay;
    return this.held.token;
  }

  /** Forgets a token that Vault did not accept. @returns whether another one can be had by logging in. */
  forget(token: string): boolean {
    if (this.auth.method === "token") return false;
    if (this.held?.token === token) this.held = undefined;
    return true;
  }

  /** Whether, by our own clock, the token has ended. */
  hasEnded(token: string): boolean {
    const { held } = this;
    return held?.token === token && held.endsAt !== undefined && this.context.clock.now() >= held.endsAt;
  }

  /** Takes back a token that a login brought, so that it does not lie around until it ends. Tries once, and says nothing. */
  async close(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    if (!held?.fromLogin || this.context.signal.aborted) return;
    await this.transport.send(self("revoke-self"), held.token, 1).catch(() => undefined);
  }

  private async next(held: Held | undefined): Promise<Held> {
    if (held === undefined) return this.first();
    if (!held.fromLogin && held.endsAt === undefined) return this.lookUp(held);
    const renewed = held.renewable ? await this.renew(held) : undefined;
    if (renewed !== undefined) return renewed;
    if (held.fromLogin) return this.first();
    const left = Math.max(0, (held.endsAt ?? 0) - this.context.clock.now());
    this.context.log.warn(
      `The Vault token ends in ${describeDuration(left)} and cannot be renewed. A rotation that takes longer stops ` +
        "there, and goes on in the next run. Give a token that is renewable or lasts longer.",
    );
    return { ...held, careAt: undefined };
  }

  private async first(): Promise<Held> {
    const { auth, context } = this;
    if (auth.method !== "token") return this.hold(await logIn(auth, this.transport, this.use, context), true);
    const token = await context.resolveSecret(auth.token);
    if (!TOKEN.test(token)) {
      throw new ConfigurationError(
        "The Vault token has characters that no token has, such as a space or a line break. Nothing was asked. Correct it " +
          "where it is kept and run again.",
      );
    }
    const careAt = context.clock.now() + LOOK_UP_AFTER_MS;
    return { token, fromLogin: false, endsAt: undefined, careAt, renewable: false };
  }

  /** What is not allowed to be asked, or does not end, is not asked again. */
  private async lookUp(held: Held): Promise<Held> {
    const { status, document } = await this.transport.send(self("lookup-self"), held.token);
    const data = document["data"] as Readonly<Record<string, unknown>> | undefined;
    const seconds = Number(data?.["ttl"]);
    if (status !== 200 || !(seconds > 0)) return { ...held, careAt: undefined };
    const whole = Math.max(seconds, Number(data?.["creation_ttl"]) || 0) * 1000;
    const endsAt = this.context.clock.now() + seconds * 1000;
    return { ...held, endsAt, careAt: endsAt - whole * RENEW_AT, renewable: data?.["renewable"] === true };
  }

  /** @returns `undefined` when that was no use: not allowed, or near the longest life a token may have. */
  private async renew(held: Held): Promise<Held | undefined> {
    try {
      const lease = leaseOf(await this.transport.send(self("renew-self"), held.token));
      if (lease?.forMs === undefined) return undefined;
      const gained = this.context.clock.now() + lease.forMs - (held.endsAt ?? 0);
      return gained > lease.forMs * RENEW_AT ? this.hold(lease, held.fromLogin) : undefined;
    } catch (error) {
      // Without a renewal it may still be good: the request itself will tell.
      if (error instanceof RotationError) return undefined;
      throw error;
    }
  }

  private hold({ token, forMs, renewable }: Lease, fromLogin: boolean): Held {
    const endsAt = forMs === undefined ? undefined : this.context.clock.now() + forMs;
    const careAt = endsAt === undefined || forMs === undefined ? undefined : endsAt - forMs * RENEW_AT;
    return { token, fromLogin, endsAt, careAt, renewable };
  }
}

function self(action: "lookup-self" | "renew-self" | "revoke-self"): VaultRequest {
  const common = { path: `auth/token/${action}`, writes: false };
  return action === "lookup-self"
    ? { ...common, method: "GET", capability: '"read"' }
    : { ...common, method: "POST", capability: '"update"', body: {} };
}
