import { type KindSubject, kindConformance } from "../../testing/kindConformance";
import type { KindContext } from "./issuerSupport";
import { useAppRoles, type Site } from "./vaultAppRoleSecretIdSite";

/** A port on which nothing listens. */
const NOWHERE = "http://127.0.0.1:1";

async function subject(
  site: Site,
  settings: Record<string, unknown>,
  tokens: "revoke" | "expire",
): Promise<KindSubject> {
  await site.newRole(settings);
  const contexts: KindContext[] = [];
  const kinds: { close(): Promise<void> }[] = [];
  const open = (more: Record<string, unknown> = {}, hurried = false) => {
    const context = site.context(hurried);
    contexts.push(context);
    const kind = site.open({ tokens, ...more }, context);
    kinds.push(kind);
    return kind;
  };
  return {
    kind: open(),
    another: () => open(),
    unreachable: () => open({ address: NOWHERE }, true),
    secretFields: ["secretId"],
    falsify: (value) => ({ ...value, secretId: "wrong-but-also-secret" }),
    ...(tokens === "expire"
      ? {}
      : {
          use: async (value) => {
            const { token } = await site.logIn(value);
            return {
              end: async () => {
                await site.vault.ask("POST", "auth/token/revoke-self", {}, token);
              },
            };
          },
        }),
    existing: async () => {
      const { data } = await site.vault.must("POST", `auth/approle/role/${site.role}/secret-id`, {});
      return { roleId: site.roleId, secretId: data.secret_id };
    },
    logged: () => contexts.flatMap(({ lines }) => lines),
    dispose: async () => {
      for (const kind of kinds) await kind.close();
    },
  };
}

const variants: readonly [string, Record<string, unknown>, "revoke" | "expire"][] = [
  ["with tokens that are found and ended", {}, "revoke"],
  ["with tokens that expire", {}, "expire"],
  ["with tokens that have no policy of Vault's own", { token_no_default_policy: true }, "revoke"],
  ["with batch tokens", { token_type: "batch" }, "expire"],
];

describe("AppRole secret id, conformance", () => {
  const site = useAppRoles();
  for (const [variant, settings, tokens] of variants) {
    describe(variant, () => {
      for (const { name, run } of kindConformance({ subject: () => subject(site, settings, tokens) })) it(name, run);
    });
  }
});
