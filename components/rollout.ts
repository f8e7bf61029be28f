import * as pulumi from "@pulumi/pulumi";
import { RolloutResource, type CheckResult } from "../provider/resources/rollout";
import type { Descriptor, DurationText, SecretSource } from "./options";
import { RotatingSecret, type SecretLink } from "./rotatingSecret";
import { stackName } from "./stackName";

export type { CheckResult };

export interface RolloutArgs {
  /** The secrets that this rollout confirms: of this stack, or the `link` of one of another stack. */
  readonly secrets: (RotatingSecret | pulumi.Input<SecretLink>)[];
  /** Resources of this program that follow the secrets by taking an output. The engine moves them before this rollout. */
  readonly dependents?: pulumi.Resource[];
  /** Workloads that the library itself moves, in waves. */
  readonly consumers?: pulumi.Input<Descriptor>[];
  /** What says that all is well. */
  readonly checks?: pulumi.Input<Descriptor>[];
  /**
   * What a confirmation rests on beside health. `adoption`: consumers or adoption checks name the version they use.
   * `issuer`: the issuer sees the new version in use and no other. `engine`: what was applied is trusted to be used;
   * audited. @default "adoption"
   */
  readonly evidence?: pulumi.Input<"adoption" | "issuer" | "engine">;
}

/**
 * Rolls consumers over to the current versions, watches their health, and confirms. Only then is a superseded version
 * retired. When something is wrong, everything returns to the superseded version in the same run.
 */
export class Rollout extends RolloutResource {
  constructor(name: string, args: RolloutArgs, opts?: pulumi.CustomResourceOptions) {
    const dependents = args.dependents ?? [];
    super(
      name,
      {
        name,
        stack: stackName(),
        secrets: args.secrets.map((secret) => (secret instanceof RotatingSecret ? secret.link : secret)),
        ...(args.consumers ? { consumers: args.consumers } : {}),
        ...(args.checks ? { checks: args.checks } : {}),
        ...(dependents.length > 0 ? { dependents: dependents.length } : {}),
        ...(args.evidence ? { evidence: args.evidence } : {}),
      },
      pulumi.mergeOptions(opts, { dependsOn: dependents }),
    );
  }
}

interface CommonCheckArgs {
  /** @default from what it asks */
  readonly name?: string;
  /** Between two probes. @default "1s" */
  readonly interval?: DurationText;
  /** The longest a probe may take. @default "5s" */
  readonly timeout?: DurationText;
  /** Unhealthy answers in a row that fail the rollout. @default 3 */
  readonly failureThreshold?: number;
  /** How long health must hold. 0s asks until the first healthy answer. @default "0s" */
  readonly bake?: DurationText;
  /** How long unhealthy answers do not count yet, because consumers are moving. @default "0s"; adoption: "60s" */
  readonly within?: DurationText;
  /** Whether it is asked before any consumer is touched as well. @default false; sql: true */
  readonly canary?: boolean;
}

/** Health checks. */
export const check = {
  /** Asks a URL. TLS is verified; redirects are not followed. */
  http: (
    options: CommonCheckArgs & {
      readonly url: string;
      readonly method?: string;
      /** @default 200 to 299 */
      readonly expectStatus?: number | number[];
      readonly expectBody?: string;
      readonly expectJson?: { readonly path: string; readonly equals: unknown };
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
    },
  ): Descriptor => ({ type: "http", ...options }),
  /** Connects to a port. */
  tcp: (
    options: CommonCheckArgs & { readonly host: string; readonly port: number; readonly tls?: boolean },
  ): Descriptor => ({
    type: "tcp",
    ...options,
  }),
  /** Logs in to PostgreSQL AS the new version and asks a query. */
  sql: (
    options: CommonCheckArgs & {
      readonly query: string;
      readonly expectRows?: number | { readonly min: number };
      readonly expectValue?: string;
      /** The secret to log in with, where the rollout has several. */
      readonly secret?: string;
    },
  ): Descriptor => ({ type: "sql", ...options }),
  /** Asks a consumer by which version it is connected. Counts as evidence. */
  adoption: (
    options: CommonCheckArgs & {
      readonly url: string;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
    },
  ): Descriptor => ({ type: "adoption", ...options }),
};

/** Workloads that the library moves. */
export const consumer = {
  /** A process on the machine where `pulumi` runs. */
  process: (options: {
    readonly name: string;
    /** Lower waves go first. @default 0 */
    readonly wave?: number;
    /** Where its credential is delivered, mode 0600, replaced atomically. The process is then pinned to what it got. */
    readonly file?: string;
    readonly owner?: { readonly uid: number; readonly gid: number };
    readonly restart?: { readonly command: string[]; readonly env?: Record<string, string> };
    readonly signal?: { readonly pidFile: string; readonly name: string };
    /** When it serves again. */
    readonly ready?:
      | { readonly url: string; readonly expectStatus?: number | number[]; readonly expectBody?: string }
      | { readonly tcp: { readonly host: string; readonly port: number } };
    /** @default "60s" */
    readonly readyTimeout?: DurationText;
    /** Where it says which version it uses. */
    readonly adoption?: { readonly url: string; readonly headers?: Record<string, string | SecretSource> };
    /** @default "60s" */
    readonly adoptionTimeout?: DurationText;
    /** @default "500ms" */
    readonly interval?: DurationText;
    /** Whether it may not be running yet. @default false */
    readonly optional?: boolean;
  }): Descriptor => ({ type: "process", ...options }),
};
