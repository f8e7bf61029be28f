/** The plain options that a program writes. Everything here ends up in the Pulumi state: no secret values. */
import type * as pulumi from "@pulumi/pulumi";
import type { SecretSource } from "../provider/contracts/secretSource";

export type { SecretSource };

/** Says where a credential is found, instead of its value: the value is read inside the provider process. */
export const secretFrom = {
  /** The environment variable `name` of the process that runs `pulumi`. */
  env: (name: string): SecretSource => ({ from: "env", name }),
  /** The content of a file; one trailing line break is dropped. Keep it at mode 0600. */
  file: (path: string): SecretSource => ({ from: "file", path }),
  /**
   * A key of the stack's configuration, set with `pulumi config set --secret KEY`. Read through the engine when the
   * provider starts, so that it is in no input and no output.
   */
  config: (key: string): SecretSource => ({ from: "config", key }),
  /**
   * What a reader of "current" gets from a store: `secretFrom.store(vaultKv({ path: "admin/db" }), "url")`. It may be
   * one that somebody else writes. Read whenever it is needed, so that it may itself be rotated.
   * @param field which one, where the store holds several. @default the only one
   */
  store: (store: Descriptor, field?: string): SecretSource => ({
    from: "store",
    store,
    ...(field === undefined ? {} : { field }),
  }),
};

/** An adapter and its options, as plain data. */
export interface Descriptor {
  readonly type: string;
  readonly [option: string]: unknown;
}

/**
 * A length of time as text: `90s`, `15m`, `36h`, `90d`, `2w`, or ISO 8601 such as `P90D`. Months and years are refused,
 * but for `schedule.every`: they have no fixed length.
 */
export type DurationText = string;

/** A time of the week in which a scheduled rotation may start. */
export interface WindowArgs {
  /** Days on which the window opens. Absent: every day. */
  readonly days?: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
  /** `HH:MM`, as a clock on the wall shows it: an hour that the clocks leave out opens nothing, one that comes twice opens twice. */
  readonly from: string;
  /** `HH:MM`; at or before `from` it means the next day. */
  readonly to: string;
  /** An IANA time zone. @default that of the schedule */
  readonly timeZone?: string;
}

/** Days on which no scheduled rotation starts. */
export interface BlackoutArgs {
  /** The first day: `2026-12-20`, or `12-20` for every year. */
  readonly from: string;
  /** The last day, in the same form. A yearly one may go over New Year: `12-20` to `01-03`. */
  readonly to: string;
  /** An IANA time zone. @default that of the schedule */
  readonly timeZone?: string;
  /** For people: it is said where something waits. */
  readonly reason?: string;
}

/**
 * When a version is due. Give `every` or `cron`; or `renewBefore` alone, where the issuer ends a version by itself. Only
 * what is due by schedule or because it expires waits for windows and blackouts; an event and changed inputs never do.
 */
export interface ScheduleArgs {
  /**
   * How old a version becomes: a length of time, or calendar months and years in ISO 8601 (`P3M`, `P1Y`) in `timeZone`.
   * From the 31st it comes to the last day of a shorter month. Longer than grace, soak and bake time together.
   */
  readonly every?: DurationText;
  /**
   * Five fields: minute, hour, day of the month, month, day of the week; `L` is the last day, `MON#2` the second Monday.
   * A time that the clocks leave out counts as they are moved past it, one that they show twice counts once.
   */
  readonly cron?: string;
  /** An IANA time zone for `cron`, for months in `every`, and for windows and blackouts that name none. @default "UTC" */
  readonly timeZone?: string;
  /** When a scheduled rotation may start. Absent: at any time. */
  readonly window?: WindowArgs;
  /** Several, instead of `window`: one of them has to be open. */
  readonly windows?: readonly WindowArgs[];
  /** Days on which no scheduled rotation starts, such as a freeze. @default none */
  readonly blackouts?: readonly BlackoutArgs[];
  /**
   * How long before its issuer ends it a version is replaced: a length of time, or a part of its life between 0 and 1. At
   * most half of its life. From half of that time on neither a window nor a blackout holds it back. @default 1/3
   */
  readonly renewBefore?: DurationText | number;
  /**
   * Everything comes earlier by a part of this, which is always the same for a secret, so that secrets of one age do not
   * fall due together. Never later. Shorter than the time between two rotations. @default "0s"
   */
  readonly jitter?: DurationText;
  /**
   * A version is not due by schedule before it is that old; a time of `cron` that comes sooner is left out. Does not hold
   * back events and changed inputs, nor what is about to expire. @default "0s"
   */
  readonly minAge?: DurationText;
  /** A version that is that old is due, and neither a window nor a blackout holds it back. Longer than `every`. @default no limit */
  readonly maxAge?: DurationText;
}

export interface RetirementArgs {
  /**
   * How long a superseded version stays valid after it stopped being active. At least as long as readers of "current"
   * cache it. 0s: no longer than until it is confirmed. @default "1h"
   */
  readonly grace?: DurationText;
  /**
   * How long it stays disabled, which is reversible, before it is destroyed. 0s destroys without disabling. @default "1h"
   */
  readonly soak?: DurationText;
  /** Whether missing evidence counts as in use. @default true */
  readonly requireUnused?: boolean;
  /** Whether sessions that still use it are ended instead of waited for. @default false */
  readonly terminateSessions?: boolean;
  /**
   * How long after it was superseded a version may live on, whatever holds it back, before runs fail. Has to be longer
   * than grace and soak together. @default no limit
   */
  readonly alarmAfter?: DurationText;
}

export interface UnconfirmedArgs {
  /** How many runs may leave a version unconfirmed before the next one returns to the superseded. @default 3 */
  readonly attempts?: number;
  /** How long it may stay unconfirmed. @default "24h" */
  readonly within?: DurationText;
  /** The wait after a failed rotation; doubles with each further one, up to a day. @default "15m" */
  readonly retryAfter?: DurationText;
}

/** Something that happened and asks for a new version at once. */
export interface RotationEventArgs {
  /** Unique; the audit trail answers it. */
  readonly id: string;
  readonly reason: "on-demand" | "suspected-compromise" | "departed-employee" | "audit-finding" | "policy";
  /** When it happened, RFC 3339. A version issued later answers it. */
  readonly time: string;
  readonly requestedBy?: string;
  /**
   * For `suspected-compromise` only: revoke what was issued before it as soon as a successor is promoted, sessions
   * included, without waiting until anybody has confirmed. Consumers that have not got the successor by then fail until
   * they do, and there is nothing to return to. @default false
   */
  readonly revokeFirst?: boolean;
}

/** What every rotating secret takes, whatever its kind. */
export interface RotationArgs {
  /** Where the versions and the ledger live: `fileStore({ … })`. */
  readonly store: pulumi.Input<Descriptor>;
  /** Further stores that get the same versions. @default none */
  readonly replicas?: pulumi.Input<pulumi.Input<Descriptor>[]>;
  /** When a version is due. Absent: only events, changed inputs and what expires by itself rotate. */
  readonly schedule?: pulumi.Input<ScheduleArgs>;
  readonly retirement?: pulumi.Input<RetirementArgs>;
  /**
   * How long those who read "current" from the stores keep the value; the longest counts. `retirement.grace` has to be
   * at least that. @default "0s"
   */
  readonly readersCache?: pulumi.Input<DurationText>;
  readonly unconfirmed?: pulumi.Input<UnconfirmedArgs>;
  /**
   * Who confirms. `required`: a rollout of this stack. `elsewhere`: this stack has no consumers, rollouts of other
   * stacks confirm. `none`: nobody has to, where no rollout is registered. @default "required"
   */
  readonly confirmation?: pulumi.Input<"required" | "elsewhere" | "none">;
  readonly events?: pulumi.Input<RotationEventArgs[]>;
  /** Where the audit trail goes: `auditFile(PATH)`. @default `audit.jsonl` beside the secret in a file store */
  readonly audit?: pulumi.Input<Descriptor>;
  /**
   * What a run does while the audit trail cannot be written. `stop`: nothing starts. `buffer`: it goes on, and its
   * events wait in the ledger, at most 200, until a run reaches the trail. @default "stop"
   */
  readonly auditOutage?: pulumi.Input<"stop" | "buffer">;
  /** A credential that exists and is in use; it is not touched until its successor is confirmed. */
  readonly adopt?: pulumi.Input<{ readonly username: string; readonly password: SecretSource }>;
  /** The former store, to move the secret to `store`. May stay afterwards. */
  readonly migrateFrom?: pulumi.Input<Descriptor>;
}

/**
 * The encrypted file store: one folder for each secret, for one machine or a shared disk.
 * Keep the key apart from the folder.
 */
export function fileStore(options: {
  /** The folder of this one secret, relative to the program. */
  readonly path: string;
  /** A passphrase, or a file of mode 0600 with 32 bytes in base64 or hexadecimal. */
  readonly key: { readonly passphrase: SecretSource } | { readonly keyFile: string };
}): Descriptor {
  return { type: "file", ...options };
}

/** An append-only, hash-chained file of JSON lines. Several secrets may share one. */
export function auditFile(path: string): Descriptor {
  return { type: "file", path };
}
