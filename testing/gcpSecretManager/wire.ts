/** The messages as gRPC gives and takes them here: 64-bit numbers as texts, enums by name, times in seconds and nanos. */

export interface Seconds {
  readonly seconds: string;
  readonly nanos: number;
}

export interface Replication {
  readonly automatic?: object | null;
  readonly userManaged?: { readonly replicas?: readonly { readonly location: string }[] } | null;
}

export interface SecretMessage {
  readonly name?: string;
  readonly replication?: Replication | null;
  readonly createTime?: Seconds | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly topics?: readonly { readonly name: string }[];
  readonly expireTime?: Seconds | null;
  readonly ttl?: Seconds | null;
  readonly etag?: string;
  readonly rotation?: object | null;
  readonly versionAliases?: Readonly<Record<string, string | number>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly versionDestroyTtl?: Seconds | null;
}

export type VersionState = "ENABLED" | "DISABLED" | "DESTROYED";

export interface VersionMessage {
  readonly name: string;
  readonly createTime: Seconds;
  readonly destroyTime?: Seconds;
  readonly state: VersionState;
  readonly etag: string;
  readonly clientSpecifiedPayloadChecksum: boolean;
  readonly scheduledDestroyTime?: Seconds;
}

export interface PayloadMessage {
  readonly data?: Uint8Array;
  readonly dataCrc32c?: string | number | null;
  /** Which of the optional fields are there: gRPC's own mark. */
  readonly _dataCrc32c?: string;
}

/** A request of any method: each has some of these. */
export interface Request {
  readonly name?: string;
  readonly parent?: string;
  readonly secretId?: string;
  readonly secret?: SecretMessage | null;
  readonly payload?: PayloadMessage | null;
  readonly updateMask?: { readonly paths?: readonly string[] } | null;
  readonly etag?: string;
  readonly filter?: string;
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export function toSeconds(ms: number): Seconds {
  const seconds = Math.floor(ms / 1000);
  return { seconds: String(seconds), nanos: Math.round(ms - seconds * 1000) * 1_000_000 };
}

export function toMs({ seconds, nanos }: Seconds): number {
  return Number(seconds) * 1000 + Math.round(nanos / 1_000_000);
}
