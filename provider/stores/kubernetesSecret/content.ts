/** What is in the Secrets that readers get: the fields in the store's format, checked before anything is issued. */
import type { Payload } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { renderFields } from "../../lifecycle/payload";
import type { SecretValue } from "../../lifecycle/values";
import type { Secret } from "./objects";
import type { KubernetesSecretStoreOptions, SecretType } from "./options";

/** https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size */
export const MAX_SECRET_BYTES = 1024 * 1024;
const FIELD_NAME = /^[-._a-zA-Z0-9]{1,253}$/;
const REQUIRED_FIELDS: Readonly<Record<SecretType, { readonly fields: readonly string[]; readonly format?: string }>> =
  {
    Opaque: { fields: [] },
    "kubernetes.io/tls": { fields: ["tls.crt", "tls.key"], format: "tls" },
    "kubernetes.io/basic-auth": { fields: ["username", "password"], format: "basic-auth" },
  };

/** The two parts of a Secret that a reader can tell apart. Data is base64. */
export interface Content {
  readonly type: SecretType;
  readonly data: Readonly<Record<string, string>>;
}

/** @throws ConfigurationError when a Secret cannot hold it. */
export function render(value: SecretValue, options: KubernetesSecretStoreOptions): Content {
  const { secretType: type = "Opaque", format } = options;
  const fields = renderFields(value, format);
  const illegal = Object.keys(fields).filter((name) => !FIELD_NAME.test(name) || name === "." || name.startsWith(".."));
  if (illegal.length > 0)
    throw new ConfigurationError(
      `A Secret cannot have the field ${illegal.map((name) => JSON.stringify(name)).join(", ")}: the name may have ` +
        "letters, digits, -, _ and ., at most 253. Nothing was issued. Name the fields by the store's `format`: " +
        '{ fields: { name: "${field}" } }.',
    );
  const { fields: required, format: helpful } = REQUIRED_FIELDS[type];
  const missing = required.filter((name) => !Object.hasOwn(fields, name));
  if (missing.length > 0)
    throw new ConfigurationError(
      `A Secret of type ${type} needs the fields ${required.join(" and ")}; missing: ${missing.join(", ")}. It would ` +
        `have ${Object.keys(fields).join(", ") || "none"}. Nothing was issued. Set the store's \`format\`, such as "${helpful}".`,
    );
  const bytes = Object.values(fields).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  assertFits(bytes, "what readers get");
  return {
    type,
    data: Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, encode(text)])),
  };
}

export function assertFits(bytes: number, what: string): void {
  if (bytes <= MAX_SECRET_BYTES) return;
  throw new ConfigurationError(
    `A Secret may hold ${MAX_SECRET_BYTES} bytes; ${what} would have ${bytes}. Nothing was changed.`,
  );
}

export function payloadOf({ data = {} }: Secret): Payload {
  return Object.fromEntries(Object.entries(data).map(([name, text]) => [name, decode(text)]));
}

export function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

export function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

/** Whether a reader gets exactly this from it. */
export function holds({ type, data = {} }: Secret, content: Pick<Secret, "type" | "data">): boolean {
  const wanted = Object.entries(content.data ?? {});
  return (
    type === content.type &&
    Object.keys(data).length === wanted.length &&
    wanted.every(([name, text]) => data[name] === text)
  );
}
