/**
 * The tokens that a secret id was used to get. Vault keeps no list of them: every token of the cluster is looked up, and
 * the metadata of a secret id, which Vault copies to its tokens, tells which are its.
 */
import type { Use } from "../../contracts/kind";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { inParallel } from "../../net/inParallel";
import type { Client } from "../../net/vault/client";
import type { VaultRequest } from "../../net/vault/transport";
import { decodeMark, type RolePlace } from "./mark";
import { PAGE } from "./use";

/** Each is a request. */
const MOST_TOKENS = 20_000;
const AT_A_TIME = 8;
/** How often tokens are looked for again that came while others were ended. */
const ROUNDS = 5;
const NAMED = 5;

export interface FoundToken {
  readonly accessor: string;
  /** In ms since the epoch. */
  readonly since: number | undefined;
  readonly until: string;
}

export class IssuedTokens {
  constructor(
    private readonly client: Client,
    private readonly place: RolePlace,
  ) {}

  /**
   * The live ones of a rotation.
   * @throws ConfigurationError where looking for them is not allowed.
   */
  async of(rotation: string): Promise<FoundToken[]> {
    const list = {
      method: "LIST",
      path: "auth/token/accessors",
      capability: '"list" and "sudo"',
      writes: false,
    } as const;
    const { status, document } = await this.client.ask(list, 403, 404);
    if (status === 403) throw notAllowed(list);
    const { keys = [] } = (document["data"] ?? {}) as { readonly keys?: readonly string[] };
    if (keys.length > MOST_TOKENS) {
      throw new StateError(
        `Vault has ${keys.length} tokens, more than the ${MOST_TOKENS} among which those of a secret id are looked for. ` +
          'Nothing was changed. Say tokens: "expire", and let token_max_ttl of the role be short.',
      );
    }
    const found = await inParallel(keys, AT_A_TIME, (accessor) => this.lookUp(accessor, rotation));
    return found.filter((token) => token !== undefined);
  }

  /** Ends them, until there are none. No more can be got: the secret id must be destroyed already. */
  async end(rotation: string): Promise<void> {
    for (let round = 1; round <= ROUNDS; round++) {
      const left = await this.of(rotation);
      if (left.length === 0) return;
      await inParallel(left, AT_A_TIME, ({ accessor }) => this.revoke(accessor));
    }
    throw new StateError(
      `The secret id is destroyed, but tokens that were got with it did not end: ${listTokens(await this.of(rotation))}. ` +
        "Run again.",
    );
  }

  /** @throws ConfigurationError where it is not allowed. Gone already is success. */
  async revoke(accessor: string): Promise<void> {
    const request = byAccessor("revoke", accessor, true);
    const { status, errors } = await this.client.ask(request, 400, 403, 404);
    if (status === 403 && !isGone(errors)) throw notAllowed(request);
  }

  private async lookUp(accessor: string, rotation: string): Promise<FoundToken | undefined> {
    const request = byAccessor("lookup", accessor, false);
    const { status, document, errors } = await this.client.ask(request, 400, 403, 404);
    if (status === 403 && !isGone(errors)) throw notAllowed(request);
    const data = document["data"] as Readonly<Record<string, unknown>> | undefined;
    if (data?.["path"] !== `auth/${this.place.mount}/login`) return undefined;
    if (decodeMark(data["meta"])?.rotation !== rotation) return undefined;
    const seconds = Number(data["creation_time"]);
    const until = data["expire_time"];
    return {
      accessor,
      since: seconds > 0 ? seconds * 1000 : undefined,
      until: typeof until === "string" ? until.slice(0, 19) + "Z" : "for ever",
    };
  }
}

/** As evidence of use. A token is named by its accessor, which gets nobody in. */
export function useOfToken(principal: string, { accessor, since, until }: FoundToken): Use {
  const began = since === undefined ? "an unknown time" : new Date(since).toISOString();
  return {
    by: `who has the token with the accessor ${accessor}, got at ${began}, good until ${until}`,
    principal,
    ...(since === undefined ? {} : { since }),
  };
}

export function listTokens(tokens: readonly FoundToken[]): string {
  const named = tokens.slice(0, NAMED).map(({ accessor, until }) => `${accessor} (until ${until})`);
  return `${named.join(", ")}${tokens.length > NAMED ? ` and ${tokens.length - NAMED} more` : ""}`;
}

function byAccessor(action: "lookup" | "revoke", accessor: string, writes: boolean): VaultRequest {
  const path = `auth/token/${action}-accessor`;
  return { method: "POST", path, body: { accessor }, capability: '"update"', writes };
}

/** Between the list and the question a token may have ended. */
function isGone(errors: readonly string[]): boolean {
  return errors.some((text) => text.includes("invalid accessor"));
}

function notAllowed({ capability, path }: VaultRequest): ConfigurationError {
  return new ConfigurationError(
    `The tokens of a secret id cannot be looked for: the token's policies must allow ${capability} on the path "${path}" ` +
      `(${PAGE}). Nothing was changed. Add it, or say tokens: "expire", and run again.`,
  );
}
