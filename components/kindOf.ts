import * as pulumi from "@pulumi/pulumi";
import type { Descriptor } from "./options";

/** A kind's descriptor from what a component was given; what was left out stays out. */
export function kindOf(type: string, options: pulumi.Input<Record<string, unknown>>): pulumi.Output<Descriptor> {
  return pulumi.output(options).apply((known): Descriptor => ({
    type,
    ...Object.fromEntries(Object.entries(known).filter((entry: [string, unknown]) => entry[1] !== undefined)),
  }));
}
