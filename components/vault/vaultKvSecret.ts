import * as pulumi from "@pulumi/pulumi";
import { SecretBackendV2 } from "@pulumi/vault/kv";
import { Mount } from "@pulumi/vault/mount";
import { Policy } from "@pulumi/vault/policy";
import { fieldNames } from "../../provider/lifecycle/payload";
import { withoutAbsent } from "../absent";
import type { Descriptor } from "../options";
import { vaultKv, type FieldsFormat, type VaultConnection } from "../stores";
import { assertPlain, consumerRules, pipelineRules, policyText, type KvPlace } from "./policies";
import { vaultReferences, type VaultReferences } from "./references";

/** A KV v2 secrets engine that is made. */
export interface VaultMountArgs {
  /** Where it is mounted. */
  readonly path: pulumi.Input<string>;
  readonly description?: pulumi.Input<string>;
  /**
   * How many versions of each entry Vault keeps, at least 3. Earlier ones are lost to those who read by number. It holds
   * for ledgers too, of which each change is a version of up to 200 KB. @default Vault's own, 10
   */
  readonly maxVersions?: pulumi.Input<number>;
}

export interface VaultKvSecretArgs<Consumer extends string = string> {
  /** A mount that exists, by its path, or one to make. @default "secret", which exists */
  readonly mount?: pulumi.Input<string> | { readonly create: VaultMountArgs };
  /** The entry that readers read, without the mount and without `data/`. */
  readonly path: pulumi.Input<string>;
  /** What readers find in the entry. @default "fields", the value's fields as they are */
  readonly format?: pulumi.Input<FieldsFormat>;
  /** How the provider process reaches Vault, and logs in; the policies are made by the provider `vault` of the program. */
  readonly connection?: pulumi.Input<VaultConnection>;
  /** Who reads the entry: a policy is made for each, to attach to its role in an auth method. @default none */
  readonly consumers?: readonly Consumer[];
  /** Begins the names of the policies, which are global in a namespace of Vault. @default the resource's name */
  readonly policyPrefix?: string;
  /** Fields that `references` names one by one. @default those of the format; none with "fields" */
  readonly fields?: readonly string[];
}

/** A place in Vault for one rotating secret, and the policies of those who write and read it. */
export class VaultKvSecret<Consumer extends string = string> extends pulumi.ComponentResource {
  /** For `store` of a rotating secret. Not known before mount and policy are there. */
  readonly store: pulumi.Output<Descriptor>;
  /** The mount, where it was made here. */
  readonly mount: Mount | undefined;
  /** For the role that `pulumi` logs in with. */
  readonly pipelinePolicy: Policy;
  /** By the names in `consumers`. */
  readonly consumerPolicies: Readonly<Record<Consumer, Policy>>;
  readonly references: pulumi.Output<VaultReferences>;

  constructor(name: string, args: VaultKvSecretArgs<Consumer>, opts?: pulumi.ComponentResourceOptions) {
    super("rotation:vault:VaultKvSecret", name, {}, opts);
    const made = isToMake(args.mount) ? makeMount(name, args.mount.create, this) : undefined;
    this.mount = made?.mount;
    const mount = isToMake(args.mount) ? args.mount.create.path : args.mount;
    const place = pulumi.output({ mount: mount ?? "secret", path: args.path }).apply(checked);

    const prefix = (args.policyPrefix ?? name).toLowerCase(); // Vault makes them so, and would differ from the program
    const policy = (suffix: string, rules: typeof consumerRules) =>
      new Policy(
        `${name}-${suffix}`,
        { name: `${prefix}-${suffix.toLowerCase()}`, policy: place.apply((where) => policyText(rules(where))) },
        { parent: this },
      );
    this.pipelinePolicy = policy("pipeline", pipelineRules);
    this.consumerPolicies = Object.fromEntries(
      (args.consumers ?? []).map((consumer) => [consumer, policy(`read-${consumer}`, consumerRules)]),
    ) as Record<Consumer, Policy>;

    const { format, connection } = args;
    this.store = pulumi
      // With its policy: it has to be there before the first version is made, and until the last one is torn down.
      .all([pulumi.output({ format, connection }), place, this.pipelinePolicy.id, made?.ready])
      .apply(([{ format: chosen, connection: how }, where]) =>
        vaultKv({ ...withoutAbsent({ ...how, format: chosen }), ...where }),
      );
    this.references = pulumi
      .all([place, pulumi.output(format)])
      .apply(([where, chosen]) => vaultReferences(where, args.fields ?? fieldNames(chosen) ?? []));
    this.registerOutputs();
  }
}

function isToMake(mount: VaultKvSecretArgs["mount"]): mount is { readonly create: VaultMountArgs } {
  return typeof mount === "object" && !pulumi.Output.isInstance(mount) && "create" in mount;
}

/** `ready` is known once there is a mount with its limit: no store is asked before. */
function makeMount(name: string, args: VaultMountArgs, parent: pulumi.Resource) {
  const { path, description, maxVersions } = args;
  const mount = new Mount(
    name,
    { path, type: "kv", options: { version: "2" }, ...withoutAbsent({ description }) },
    { parent },
  );
  const limit =
    maxVersions === undefined
      ? undefined
      : new SecretBackendV2(
          name,
          { mount: mount.path, maxVersions: pulumi.output(maxVersions).apply(enough) },
          { parent },
        );
  return { mount, ready: pulumi.all([mount.id, limit?.id]) };
}

function enough(maxVersions: number): number {
  if (maxVersions >= 3) return maxVersions;
  throw new Error(
    `maxVersions must be at least 3, or Vault destroys versions that are in use; it is ${maxVersions}. Nothing was made.`,
  );
}

function checked(place: KvPlace): KvPlace {
  assertPlain(place);
  return place;
}
