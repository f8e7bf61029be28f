/** How those who know nothing of this library name the entry. No secret value in it. */
import type { KvPlace } from "./policies";

/** Each is a part of a manifest: what names the entry. Where it is put, and how one logs in, is yours to add. */
export interface VaultReferences {
  /** External Secrets Operator: part of an ExternalSecret's `spec`. */
  readonly externalSecret: { readonly dataFrom: readonly { readonly extract: { readonly key: string } }[] };
  /**
   * Secrets Store CSI driver with Vault's provider: `objects` of a SecretProviderClass, as YAML. One file for each
   * field that is known, or one with the whole answer as JSON.
   */
  readonly secretProviderClass: { readonly objects: string };
  /** Vault Secrets Operator: part of a VaultStaticSecret's `spec`. */
  readonly vaultStaticSecret: { readonly type: "kv-v2"; readonly mount: string; readonly path: string };
  /** Vault Agent: the `contents` of a `template` that writes the fields as JSON. */
  readonly agentTemplate: string;
}

/** @param fields those that get a file each; none: one file with everything. */
export function vaultReferences({ mount, path }: KvPlace, fields: readonly string[]): VaultReferences {
  const secretPath = `${mount}/data/${path}`;
  return {
    externalSecret: { dataFrom: [{ extract: { key: `${mount}/${path}` } }] },
    secretProviderClass: {
      objects: (fields.length > 0
        ? fields.map((field) => ({ objectName: field, secretPath, secretKey: field }))
        : [{ objectName: path.split("/").join("-"), secretPath }]
      )
        .map(yamlItem)
        .join(""),
    },
    vaultStaticSecret: { type: "kv-v2", mount, path },
    agentTemplate: `{{ with secret ${JSON.stringify(secretPath)} }}{{ .Data.data | toJSON }}{{ end }}`,
  };
}

/** A JSON text is a YAML one, too. */
function yamlItem(item: Readonly<Record<string, string>>): string {
  return Object.entries(item)
    .map(([name, value], index) => `${index === 0 ? "- " : "  "}${name}: ${JSON.stringify(value)}\n`)
    .join("");
}
