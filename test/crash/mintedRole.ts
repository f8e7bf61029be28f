/**
 * PostgreSQL roles whose password is made where they are issued, and told once: what an issuer that mints does. The
 * package has no such kind yet; without one the calls that serve it could not be stopped.
 */
import type { CredentialKind } from "../../provider/contracts/kind";
import * as registry from "../../provider/registry";

export function registerMintedRole(): void {
  const load = registry.kinds["postgresRole"] as () => Promise<registry.KindAdapter>;
  const kinds = registry.kinds as Record<string, () => Promise<registry.KindAdapter>>;
  kinds["mintedPostgresRole"] = async () => {
    const { options, create, inputPolicy } = await load();
    const { z } = await import("zod");
    return {
      inputPolicy,
      options: z.preprocess((given) => ({ ...(given as object), type: "postgresRole" }), options),
      create: (parsed, context) => minting(create(parsed, context)),
    };
  };
}

function minting(kind: CredentialKind): CredentialKind {
  return {
    type: "mintedPostgresRole",
    capabilities: { ...kind.capabilities, value: "minted" },
    propose: async (request) => ({ ref: (await kind.propose(request)).ref }),
    issue: async (request) => kind.issue({ ...request, draft: await kind.propose(request) }),
    verify: (value, ref) => kind.verify(value, ref),
    inspect: (identity) => kind.inspect(identity),
    usage: (ref) => kind.usage(ref),
    disable: (ref) => kind.disable(ref),
    enable: (ref) => kind.enable(ref),
    revoke: (ref, options) => kind.revoke(ref, options),
    close: () => kind.close(),
  };
}
