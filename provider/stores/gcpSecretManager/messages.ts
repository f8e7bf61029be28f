/** The API's messages, of which only what is needed is taken, in plain values. */

interface Seconds {
  readonly seconds?: unknown;
  readonly nanos?: number | null;
}

export interface SecretMessage {
  readonly createTime?: Seconds | null;
  readonly etag?: string | null;
  readonly versionAliases?: Readonly<Record<string, unknown>> | null;
  readonly annotations?: Readonly<Record<string, string>> | null;
  readonly expireTime?: Seconds | null;
  readonly versionDestroyTtl?: Seconds | null;
}

export interface VersionMessage {
  readonly name?: string | null;
  readonly createTime?: Seconds | null;
  readonly state?: unknown;
  readonly scheduledDestroyTime?: Seconds | null;
}

export interface AccessedMessage {
  readonly name?: string | null;
  readonly payload?: { readonly data?: Uint8Array | string | null; readonly dataCrc32c?: unknown } | null;
}

export interface SecretInfo {
  /** Tells a secret from another one that was made under the same name later. Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  readonly etag: string;
  readonly aliases: Readonly<Record<string, number>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** When it deletes itself, if it does. */
  readonly expiresAt: number | undefined;
  /** How long a version can still be had back after its destruction, if it can. */
  readonly destroyDelayMs: number | undefined;
}

export interface VersionInfo {
  readonly number: number;
  readonly createdAt: number;
  /** Destroyed, or disabled and about to be. */
  readonly isGone: boolean;
  /** When it will be destroyed, where that is delayed. */
  readonly scheduledAt: number | undefined;
}

export interface Payload {
  readonly number: number;
  readonly data: Buffer;
  readonly checksum: number | undefined;
}

export function secretFrom(message: SecretMessage): SecretInfo {
  const aliases = Object.entries(message.versionAliases ?? {}).map(([name, number]) => [name, Number(number)] as const);
  return {
    createdAt: msOf(message.createTime) ?? 0,
    etag: message.etag ?? "",
    aliases: Object.fromEntries(aliases),
    annotations: { ...message.annotations },
    expiresAt: msOf(message.expireTime),
    destroyDelayMs: msOf(message.versionDestroyTtl),
  };
}

export function versionFrom(message: VersionMessage): VersionInfo {
  const scheduledAt = msOf(message.scheduledDestroyTime);
  return {
    number: numberOf(message.name),
    createdAt: msOf(message.createTime) ?? 0,
    isGone: message.state === "DESTROYED" || scheduledAt !== undefined,
    scheduledAt,
  };
}

export function accessedFrom(message: AccessedMessage): Payload {
  const { data, dataCrc32c } = message.payload ?? {};
  return {
    number: numberOf(message.name),
    data: typeof data === "string" ? Buffer.from(data, "base64") : Buffer.from(data ?? []),
    checksum: dataCrc32c === undefined || dataCrc32c === null ? undefined : Number(dataCrc32c),
  };
}

/** Names end in the number; what comes before may name the project by its number, whatever was asked for. */
function numberOf(name: string | null | undefined): number {
  return Number(/\/versions\/(\d+)$/.exec(name ?? "")?.[1] ?? Number.NaN);
}

function msOf(time: Seconds | null | undefined): number | undefined {
  return time ? Number(time.seconds ?? 0) * 1000 + Math.floor((time.nanos ?? 0) / 1_000_000) : undefined;
}
