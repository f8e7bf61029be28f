/** What the user writes to keep a secret in Google Cloud Secret Manager. */
import { z } from "zod";
import { payloadFormat } from "../../lifecycle/payload";
import {
  gcpEndpoint,
  gcpInsecure,
  gcpProject,
  gcpRegion,
  insecureComplaint,
  matching,
  parseEndpoint,
  type Address,
} from "../../net/gcp/options";
import { describeValue, duration, strictOptions } from "../../net/options";

/** A secret's id has at most 255 characters, and ours of the companion ends in `-rotation`. */
const NAME = /^[A-Za-z0-9_-]{1,246}$/;
const replicationError = (issue: { readonly input?: unknown }) =>
  'replication must be "automatic" or a list of one or more regions such as ["europe-west3", "europe-west4"]; ' +
  `it is ${describeValue(issue.input)}`;
const replication = z.union(
  [z.literal("automatic"), z.array(gcpRegion("a location of replication")).min(1, { error: replicationError })],
  { error: replicationError },
);

export const gcpSecretManagerOptions = strictOptions("a gcpSecretManager store", {
  type: z.literal("gcpSecretManager"),
  /** The id of the project, or its number. What identifies the store: writing the one for the other is a new store. */
  project: gcpProject,
  /**
   * The id of the secret that applications read: letters, digits, hyphen and underscore, up to 246 characters. A second
   * one, `<name>-rotation`, holds what only the rotation needs. Either is made when it is missing.
   */
  name: matching(NAME, "name, the secret's id, must be 1 to 246 letters, digits, hyphens and underscores"),
  /** The region of a regional secret. Absent: a global one. */
  location: gcpRegion("location").optional(),
  /**
   * `host:port` to talk to, such as a Private Service Connect endpoint or an emulator. Absent: Google's own,
   * `secretmanager.googleapis.com:443`, for a regional secret `secretmanager.<location>.rep.googleapis.com:443`.
   */
  endpoint: gcpEndpoint().optional(),
  /** Plain text and no log-in: for an emulator, so `endpoint` must then be on the loopback interface. Default: false. */
  insecure: gcpInsecure.optional(),
  /**
   * Where a global secret that this adapter makes is replicated: `"automatic"`, or the regions. It cannot be changed
   * later, and does not count for secrets that exist. Default: `"automatic"`.
   */
  replication: replication.optional(),
  /** What readers of the secret get, as JSON unless it is one text. Default: `"fields"`. */
  format: payloadFormat.optional(),
  /** The longest that one call may take, from 100 ms to 5 minutes. Default: `"10s"`. */
  timeout: duration("timeout", 100, 300_000).optional(),
}).check(({ value, issues }) => {
  const refuse = (path: string, message: string) =>
    issues.push({ code: "custom", path: [path], message, input: value });
  const complaint = value.insecure === true ? insecureComplaint(value.endpoint) : undefined;
  if (complaint !== undefined) refuse("insecure", complaint);
  if (value.location !== undefined && value.replication !== undefined)
    refuse(
      "replication",
      "replication is for global secrets: a regional one stays in its location; leave one of both out",
    );
});

export type GcpSecretManagerOptions = z.infer<typeof gcpSecretManagerOptions>;

/** @returns `undefined` for the client's own default. */
export function addressOf({ endpoint, location: region }: GcpSecretManagerOptions): Address | undefined {
  if (endpoint !== undefined) return parseEndpoint(endpoint);
  return region === undefined ? undefined : { host: `secretmanager.${region}.rep.googleapis.com`, port: 443 };
}
