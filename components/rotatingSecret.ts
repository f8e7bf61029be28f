import * as pulumi from "@pulumi/pulumi";
import { SecretVersion } from "../provider/resources/secretVersion";
import { withoutAbsent } from "./absent";
import type { Descriptor, RotationArgs } from "./options";
import { stackName } from "./stackName";

export interface RotatingSecretArgs extends RotationArgs {
  /** The credential kind and its options. */
  readonly kind: pulumi.Input<Descriptor>;
}

/** What a `Rollout`, here or in another stack, needs to find the secret. Holds no secret value. */
export interface SecretLink {
  readonly name: string;
  /** The store's descriptor. */
  readonly store: unknown;
  readonly ref: string;
}

/**
 * A secret that is replaced when it is due, without downtime. The generic form; a component such as
 * `RotatingPostgresRole` knows its kind.
 */
export class RotatingSecret extends pulumi.ComponentResource {
  /** The version that readers of "current" get. */
  readonly version: pulumi.Output<number>;
  /** Names the version and its promotion epoch: pass it to whatever has to follow the secret. */
  readonly ref: pulumi.Output<string>;
  /** Keyed and truncated; a consumer reports it to say which version it uses. */
  readonly fingerprint: pulumi.Output<string>;
  /** Public facts at the issuer, such as the role name. */
  readonly issued: pulumi.Output<Record<string, string>>;
  /**
   * When a run in time begins with the next rotation, RFC 3339, windows and blackouts counted in. Events may rotate
   * earlier, runs may come later. Absent where nothing makes it due, and in a state of an older package until an update.
   */
  readonly nextRotationAt: pulumi.Output<string | undefined>;
  /** Why then, for people: `every 90d; due 2026-12-25T00:00:00Z, then waits for …`. */
  readonly nextRotationWhy: pulumi.Output<string | undefined>;
  /** For a `Rollout` of another stack: export it there and read it with a `StackReference`. */
  readonly link: pulumi.Output<SecretLink>;
  /** The resource that is replaced. */
  readonly secretVersion: SecretVersion;

  constructor(name: string, args: RotatingSecretArgs, opts?: pulumi.ComponentResourceOptions, type = "RotatingSecret") {
    // The engine refuses to replace what it protects, so the secret would never rotate: we refuse its teardown instead.
    // Children inherit the option, whatever they say themselves, so that the component may not have it either.
    super(`rotation:index:${type}`, name, {}, { ...opts, protect: false });
    const { kind, store, ...rest } = args;
    this.secretVersion = new SecretVersion(
      name,
      {
        name,
        stack: stackName(),
        kind,
        store,
        ...withoutAbsent(rest),
        ...(opts?.protect ? { protect: true } : {}),
      },
      { parent: this },
    );
    const { version, ref, fingerprint, issued, nextRotationAt, nextRotationWhy } = this.secretVersion;
    this.version = version;
    this.ref = ref;
    this.fingerprint = fingerprint;
    this.issued = issued;
    this.nextRotationAt = nextRotationAt;
    this.nextRotationWhy = nextRotationWhy;
    this.link = linkOf(name, store, this.secretVersion);
    this.registerOutputs();
  }
}

function linkOf(name: string, store: pulumi.Input<Descriptor>, version: SecretVersion): pulumi.Output<SecretLink> {
  return pulumi.all([store, version.ref]).apply(([where, ref]) => ({ name, store: where, ref }));
}
