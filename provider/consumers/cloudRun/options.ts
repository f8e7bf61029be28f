/** What a consumer on Cloud Run can be told. */
import { z } from "zod";
import { adoptionOptions } from "../../net/awaitAdoption";
import { caFile, expectStatus, httpHeaders } from "../../net/httpOptions";
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
import { duration, flag, strictOptions, text, wholeNumber } from "../../net/options";

const HOUR = 3_600_000;
/** https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create: fewer than 50 characters. */
const SERVICE = /^[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?$/;
const SECRET = /^[A-Za-z0-9_-]{1,246}$/;

const secretWanted =
  'a secret must be { "secret": "<its id in Secret Manager>", "project"?: "<another project>" }, or false where the ' +
  "service does not use it";

const usedSecret = strictOptions("a secret of a cloudRun consumer", {
  /** Its id in Secret Manager, as the store has it as `name`. */
  secret: matching(
    SECRET,
    "secret, its id in Secret Manager, must be 1 to 246 letters, digits, hyphens and underscores",
  ),
  /** Where it is in another project than the service. */
  project: gcpProject.optional(),
});

const percentWanted = "percents must be rising whole numbers from 1 to 99, such as [10, 50]";

const traffic = strictOptions("traffic", {
  /** How much of the traffic the new revision gets, one step after the other, before it gets all. */
  percents: z
    .array(wholeNumber("a percentage of percents", 1, 99), { error: percentWanted })
    .min(1, { error: percentWanted })
    .max(20, { error: "percents has at most 20 steps" })
    .refine((percents) => percents.every((percent, at) => at === 0 || percent > (percents[at - 1] ?? 0)), {
      error: percentWanted,
    }),
  /** How long each step is kept up. Default: "30s". */
  hold: duration("hold", 0, HOUR).optional(),
});

const probe = strictOptions("probe", {
  /** Asked by GET at the revision's own address, before the traffic moves and while it moves in steps. */
  path: matching(/^\/[^\s?#]*$/, 'path must begin with "/" and have no query, such as "/healthz"'),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
  /** Default: 200 to 299. */
  expectStatus: expectStatus.optional(),
  /** How long it may take until the first good answer. Default: "60s". */
  within: duration("within", 100, HOUR).optional(),
  /** The longest that one answer may take. Default: "10s". */
  timeout: duration("timeout", 10, HOUR).optional(),
});

export const cloudRunConsumerOptions = strictOptions("a cloudRun consumer", {
  type: z.literal("cloudRun", { error: 'the type of a cloudRun consumer must be "cloudRun"' }),
  name: text("name", 200),
  /** Consumers of a lower wave are rolled and checked first. Default: 0. */
  wave: wholeNumber("wave", 0, 1000).optional(),
  project: gcpProject,
  region: gcpRegion("region"),
  /** The id of the service, without project and region. */
  service: matching(SERVICE, "service must be the id of a Cloud Run service, such as orders"),
  /**
   * What each secret of the rollout is called in Secret Manager, by its name in the rollout; `false`: the service does not
   * use it. Default: it is called as in the rollout.
   */
  secrets: z
    .record(text("a secret's name", 200), z.union([usedSecret, z.literal(false)], { error: secretWanted }))
    .optional(),
  /** Default: all at once. */
  traffic: traffic.optional(),
  /** Default: what Cloud Run itself says of the revision is enough. */
  probe: probe.optional(),
  /** That the service is a function of the Cloud Functions API, whose own record of its secrets is not changed. Default: false. */
  function: flag("function").optional(),
  /** How long it may take until it serves, beside the steps of `traffic`. Default: "10m". */
  timeout: duration("timeout", 100, 24 * HOUR).optional(),
  /** The longest that one call of the API may take. Default: "15s". */
  callTimeout: duration("callTimeout", 100, 300_000).optional(),
  /** The time between two questions of a wait. Default: "2s". */
  interval: duration("interval", 10, HOUR).optional(),
  /** How long requests and background work of former instances may go on. Default: "0s". */
  readersCache: duration("readersCache", 0, 30 * 24 * HOUR).optional(),
  /** Where it says by which versions it is connected: further evidence of use. */
  adoption: adoptionOptions.optional(),
  /** How long `confirm` waits at most. Default: "60s". */
  adoptionTimeout: duration("adoptionTimeout", 100, HOUR).optional(),
  /** `host:port` of the Cloud Run Admin API. Default: `run.googleapis.com:443`. */
  endpoint: gcpEndpoint().optional(),
  /** `host:port` of Secret Manager. Default: `secretmanager.googleapis.com:443`. */
  secretsEndpoint: gcpEndpoint("secretsEndpoint").optional(),
  /** Plain text and no log-in: for emulators, so both endpoints must then be on the loopback interface. Default: false. */
  insecure: gcpInsecure.optional(),
}).check(({ value, issues }) => {
  if (value.insecure !== true) return;
  for (const what of ["endpoint", "secretsEndpoint"] as const) {
    const message = insecureComplaint(value[what], what);
    if (message !== undefined) issues.push({ code: "custom", path: ["insecure"], message, input: value });
  }
});

export type CloudRunConsumerOptions = z.infer<typeof cloudRunConsumerOptions>;

/** @returns `undefined` for the client's own default. */
export function addressOf(endpoint: string | undefined): Address | undefined {
  return endpoint === undefined ? undefined : parseEndpoint(endpoint);
}
