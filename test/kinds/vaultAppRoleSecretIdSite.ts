/** What the tests of AppRole secret ids share: a real Vault, a role for each test, and the documented policy. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AdapterContext } from "../../provider/contracts/context";
import type { CredentialKind } from "../../provider/contracts/kind";
import { createVaultAppRoleSecretIdKind, vaultAppRoleSecretIdOptions } from "../../provider/kinds/vaultAppRoleSecretId";
import { FaultyProxy } from "../stores/faultyProxy";
import { ROOT_TOKEN, VaultServer } from "../stores/servers/vault";
import { kindContext } from "./support";

const PAGE = readFileSync(join(__dirname, "../../docs/kinds/vaultAppRoleSecretId.md"), "utf8");

/** The policy as the page has it, for this role: without or with what `tokens: "revoke"` needs. */
export function documentedPolicy(role: string, tokens: "revoke" | "expire"): string {
  const blocks = [...PAGE.matchAll(/```hcl\n(.*?)```/gs)].map(([, block]) => block!);
  if (blocks.length !== 2) throw new Error(`the page has ${blocks.length} policies, not 2`);
  const chosen = tokens === "revoke" ? blocks.join("\n") : blocks[0]!;
  return chosen.replaceAll("role/orders", `role/${role}`);
}

export interface Site {
  readonly vault: VaultServer;
  /** Before the same server. */
  readonly proxy: FaultyProxy;
  /** The role of this test. */
  readonly role: string;
  readonly roleId: string;
  /** Tokens with the documented policy. */
  readonly tokens: { readonly revoke: string; readonly expire: string };
  /** Makes a role that nobody used yet the role of this test. */
  newRole(settings?: Readonly<Record<string, unknown>>): Promise<void>;
  options(more?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  open(more?: Readonly<Record<string, unknown>>, context?: AdapterContext): CredentialKind;
  context(hurried?: boolean): ReturnType<typeof kindContext>;
  /** A log-in as a consumer does it. */
  logIn(value: Readonly<Record<string, string>>): Promise<{ token: string; accessor: string }>;
  tokenWorks(token: string): Promise<boolean>;
}

/** One server for the tests of a file; call within `describe`. */
export function useAppRoles(): Site {
  let roles = 0;
  const site = {
    vault: undefined as unknown as VaultServer,
    proxy: undefined as unknown as FaultyProxy,
    role: "",
    roleId: "",
    tokens: { revoke: "", expire: "" },
    newRole: async (settings: Readonly<Record<string, unknown>> = {}) => {
      site.role = `orders-${++roles}`;
      await site.vault.must("POST", `auth/approle/role/${site.role}`, {
        token_ttl: "20m",
        token_max_ttl: "1h",
        ...settings,
      });
      site.roleId = (await site.vault.must("GET", `auth/approle/role/${site.role}/role-id`)).data.role_id;
      site.tokens = {
        revoke: await site.vault.tokenWith(documentedPolicy(site.role, "revoke")),
        expire: await site.vault.tokenWith(documentedPolicy(site.role, "expire")),
      };
    },
    options: (more: Readonly<Record<string, unknown>> = {}) => ({
      type: "vaultAppRoleSecretId",
      address: site.proxy.address,
      role: site.role,
      roleId: site.roleId,
      auth: { method: "token", token: { from: "env", name: more["tokens"] === "expire" ? "EXPIRE" : "REVOKE" } },
      ...more,
    }),
    context: (hurried?: boolean) =>
      kindContext({ REVOKE: site.tokens.revoke, EXPIRE: site.tokens.expire, ROOT: ROOT_TOKEN }, hurried),
    open: (more: Readonly<Record<string, unknown>> = {}, context: AdapterContext = site.context()) =>
      createVaultAppRoleSecretIdKind(vaultAppRoleSecretIdOptions.parse(site.options(more)), context),
    logIn: async ({ roleId, secretId }: Readonly<Record<string, string>>) => {
      const { auth } = await site.vault.must(
        "POST",
        "auth/approle/login",
        { role_id: roleId, secret_id: secretId },
        "",
      );
      return { token: auth.client_token as string, accessor: auth.accessor as string };
    },
    tokenWorks: async (token: string) =>
      (await site.vault.ask("GET", "auth/token/lookup-self", undefined, token)).status === 200,
  };
  before(async () => {
    site.vault = await VaultServer.start();
    site.proxy = await FaultyProxy.start(site.vault.address);
    await site.vault.must("POST", "sys/auth/approle", { type: "approle" });
  });
  after(async () => {
    await (site.proxy as FaultyProxy | undefined)?.stop();
    await (site.vault as VaultServer | undefined)?.stop();
  });
  beforeEach(async () => {
    site.proxy.fault = () => undefined;
    site.proxy.asked.length = 0;
    await site.newRole();
  });
  return site;
}
