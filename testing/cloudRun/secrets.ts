/** Where instances get their secrets from. */
import type { GcpSecretManagerEmulator } from "../gcpSecretManager";
import type { Template } from "./wire";

/** @returns what the service's account may read; `denied` where it may not, or there is no such version. */
export type SecretSource = (secret: string, version: string) => Buffer | "denied";

/** Of the emulator, by the id of a secret in whatever project. */
export function secretsOf(emulator: GcpSecretManagerEmulator): SecretSource {
  return (secret, version) => {
    const found = emulator.secret(secret.slice(secret.lastIndexOf("/") + 1));
    if (found === undefined) return "denied";
    const number = version === "latest" ? found.versions.at(-1)?.number : (found.aliases[version] ?? Number(version));
    const kept = found.versions.find((each) => each.number === number);
    return kept?.state === "ENABLED" && kept.data !== undefined ? kept.data : "denied";
  };
}

export interface Mounted {
  readonly env: Readonly<Record<string, string>>;
  /** By the path in the container. */
  readonly files: Readonly<Record<string, Buffer>>;
}

/**
 * What an instance finds. Versions in the environment are read when it starts; all are looked at when the revision is
 * deployed: https://cloud.google.com/run/docs/configuring/services/secrets#how-secrets-are-checked
 *
 * @returns the first secret that cannot be read, where there is one.
 */
export function mount(template: Template, source: SecretSource): Mounted | { readonly denied: string } {
  const [container = {}] = template.containers ?? [];
  const env: Record<string, string> = {};
  for (const { name, value, valueSource } of container.env ?? []) {
    const reference = valueSource?.secretKeyRef;
    if (!reference) {
      env[name] = value ?? "";
      continue;
    }
    const data = source(reference.secret, reference.version || "latest");
    if (data === "denied") return { denied: `${reference.secret}/versions/${reference.version || "latest"}` };
    env[name] = data.toString("utf8");
  }
  const files: Record<string, Buffer> = {};
  for (const { name, secret } of template.volumes ?? []) {
    if (!secret) continue;
    const at = container.volumeMounts?.find((each) => each.name === name)?.mountPath ?? `/${name}`;
    const given = secret.items ?? [];
    const file = secret.secret.slice(secret.secret.lastIndexOf("/") + 1);
    for (const { path, version } of given.length > 0 ? given : [{ path: file, version: "latest" }]) {
      const data = source(secret.secret, version || "latest");
      if (data === "denied") return { denied: `${secret.secret}/versions/${version || "latest"}` };
      files[`${at}/${path}`] = data;
    }
  }
  return { env, files };
}
