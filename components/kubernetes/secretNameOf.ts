import * as pulumi from "@pulumi/pulumi";
import { readReference } from "../../provider/lifecycle/reference";
import type { Descriptor } from "../options";
import type { RotatingSecret } from "../rotatingSecret";

/**
 * The name of the Secret that holds the version which is handed out, `<name>-v<version>-e<epoch>`: for the volumes or
 * the environment of a workload. Each version has a Secret of its own that never changes, so pods that start again
 * while a version is rolled out get what the others of their ReplicaSet have, and a return needs nothing but the former
 * name.
 *
 * @param store the store of that secret, or a replica of it: `kubernetesSecret({ … })` or `KubernetesSecretStore.store`
 */
export function secretNameOf(
  secret: Pick<RotatingSecret, "ref">,
  store: pulumi.Input<Descriptor>,
): pulumi.Output<string> {
  return pulumi.all([secret.ref, store]).apply(([ref, descriptor]) => nameOf(ref, descriptor));
}

function nameOf(ref: string, { type, name }: Descriptor): string {
  if (type !== "kubernetesSecret" || typeof name !== "string")
    throw new Error(
      `secretNameOf takes a store of type "kubernetesSecret", and this one is of type ${JSON.stringify(type)}. Nothing ` +
        "was changed. Give it the store, or the replica, that is in the cluster.",
    );
  const handedOut = readReference(ref);
  if (!handedOut)
    throw new Error(`${JSON.stringify(ref)} is no reference of a rotating secret, such as "orders-db/v7@3".`);
  return `${name}-v${handedOut.version}-e${handedOut.epoch}`;
}
