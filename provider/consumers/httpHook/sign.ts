/**
 * Signs what is sent, by the symmetric scheme of Standard Webhooks, for which receivers find libraries:
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from "node:crypto";
import { ConfigurationError } from "../../lifecycle/errors";

const PREFIX = "whsec_";
/** The least that the specification allows. */
const MIN_KEY_BYTES = 24;

/** @throws ConfigurationError when the key is too short or not readable. */
export function readSigningKey(option: string, consumer: string, text: string): Buffer {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
  const key = encoded === undefined ? Buffer.from(text, "utf8") : Buffer.from(encoded, "base64");
  const isReadable = encoded === undefined || /^[A-Za-z0-9+/]+={0,2}$/.test(encoded);
  if (isReadable && key.length >= MIN_KEY_BYTES) return key;
  throw new ConfigurationError(
    `Consumer "${consumer}": its ${option} ${isReadable ? `has ${key.length} bytes` : "is no base64 after whsec_"}; ` +
      `wanted are ${MIN_KEY_BYTES} bytes or more, as they are or in base64 after "${PREFIX}". The workload was not ` +
      `called. Make a key, such as by "openssl rand -hex 32", and give it to both sides.`,
  );
}

export interface Signed {
  /** The same for each repetition, so that the receiver can tell one. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly body: string;
}

export function signatureHeaders(keys: readonly Buffer[], { id, timestamp, body }: Signed): Record<string, string> {
  const signatures = keys.map(
    (key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`, "utf8").digest("base64")}`,
  );
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signatures.join(" ") };
}
