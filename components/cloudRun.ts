import type { Descriptor, DurationText, SecretSource } from "./options";

export interface CloudRunConsumerArgs {
  /** How reports call it. */
  readonly name: string;
  /** Lower waves go first. @default 0 */
  readonly wave?: number;
  /** The project of the service: its id, or its number. */
  readonly project: string;
  /** Such as `europe-west3`. */
  readonly region: string;
  /** The id of the service, without project and region. */
  readonly service: string;
  /**
   * What each secret of the rollout is called in Secret Manager, by its name in the rollout; `false`: the service does not
   * use it. @default the same name, in the project of the service
   */
  readonly secrets?: Record<string, { readonly secret: string; readonly project?: string } | false>;
  /** Moves the traffic in steps instead of at once. */
  readonly traffic?: {
    /** Rising, from 1 to 99; then all. */
    readonly percents: number[];
    /** How long each step is kept up. @default "30s" */
    readonly hold?: DurationText;
  };
  /** Asks the new revision at an address of its own, before the traffic moves and while it moves in steps. */
  readonly probe?: {
    /** Asked by GET; without a query. */
    readonly path: string;
    readonly headers?: Record<string, string | SecretSource>;
    readonly caFile?: string;
    /** @default 200 to 299 */
    readonly expectStatus?: number | number[];
    /** How long it may take until the first good answer. @default "60s" */
    readonly within?: DurationText;
    /** The longest that one answer may take. @default "10s" */
    readonly timeout?: DurationText;
  };
  /**
   * That the service is a function of the Cloud Functions API, whose own record of its secrets is not changed.
   * @default false: such a service is refused
   */
  readonly function?: boolean;
  /** How long it may take until it serves, beside the steps of `traffic`. @default "10m" */
  readonly timeout?: DurationText;
  /** The longest that one call of the API may take. @default "15s" */
  readonly callTimeout?: DurationText;
  /** The time between two questions of a wait. @default "2s" */
  readonly interval?: DurationText;
  /** How long requests and background work of former instances may go on; no longer than the secret's grace. @default "0s" */
  readonly readersCache?: DurationText;
  /** Where the service itself says which version it uses: further evidence. */
  readonly adoption?: {
    readonly url: string;
    readonly headers?: Record<string, string | SecretSource>;
    readonly caFile?: string;
  };
  /** @default "60s" */
  readonly adoptionTimeout?: DurationText;
  /** `host:port` of the Cloud Run Admin API. @default Google's own */
  readonly endpoint?: string;
  /** `host:port` of Secret Manager. @default Google's own */
  readonly secretsEndpoint?: string;
  /** Plain text and no log-in, for emulators on loopback only. @default false */
  readonly insecure?: boolean;
}

/** A service on Cloud Run whose template names secrets of Secret Manager. */
export function cloudRun(options: CloudRunConsumerArgs): Descriptor {
  return { type: "cloudRun", ...options };
}
