/** The policies of Vault, as data and as the text that Vault takes. */

export type Capability = "create" | "read" | "update" | "patch" | "delete" | "list";

export interface PolicyRule {
  readonly path: string;
  readonly capabilities: readonly Capability[];
}

/** Where one secret is. */
export interface KvPlace {
  readonly mount: string;
  readonly path: string;
}

/** Readers of the entry: its current version, and no other path. */
export function consumerRules({ mount, path }: KvPlace): PolicyRule[] {
  return [{ path: `${mount}/data/${path}`, capabilities: ["read"] }];
}

/** What the store does (docs/stores/vault.md), and nothing else. */
export function pipelineRules({ mount, path }: KvPlace): PolicyRule[] {
  return [
    // The entry that readers read.
    { path: `${mount}/data/${path}`, capabilities: ["create", "read", "update"] },
    { path: `${mount}/metadata/${path}`, capabilities: ["read", "patch"] },
    { path: `${mount}/delete/${path}`, capabilities: ["update"] },
    { path: `${mount}/undelete/${path}`, capabilities: ["update"] },
    { path: `${mount}/destroy/${path}`, capabilities: ["update"] },
    // The ledger, and the versions.
    { path: `${mount}/data/${path}-rotation/ledger`, capabilities: ["create", "read", "update"] },
    { path: `${mount}/data/${path}-rotation/versions/*`, capabilities: ["create", "read", "update"] },
    { path: `${mount}/metadata/${path}-rotation/versions/*`, capabilities: ["list", "delete"] },
    // To be warned of settings that would lose versions.
    { path: `${mount}/config`, capabilities: ["read"] },
  ];
}

/** In HashiCorp's language, whose texts are those of JSON. */
export function policyText(rules: readonly PolicyRule[]): string {
  return rules
    .map(
      ({ path, capabilities }) =>
        `path ${JSON.stringify(path)} {\n  capabilities = [${capabilities.map((one) => JSON.stringify(one)).join(", ")}]\n}\n`,
    )
    .join("\n");
}

/**
 * In a policy `*`, `+` and `{{ }}` stand for other paths (https://developer.hashicorp.com/vault/docs/concepts/policies).
 *
 * @throws Error
 */
export function assertPlain({ mount, path }: KvPlace): void {
  for (const [name, text] of Object.entries({ mount, path })) {
    const segments = text.split("/");
    // eslint-disable-next-line no-control-regex -- they are what is refused
    if (segments.some((segment) => segment === "" || /[*+\u0000-\u001f"\\]|\{\{|\$\{|%\{/.test(segment)))
      throw new Error(
        `${name} must be names with one "/" between them and none at the ends, without *, +, ", \\, {{, \${ and %{, ` +
          `which mean something else in a policy. It is ${JSON.stringify(text)}. Nothing was made.`,
      );
  }
}
