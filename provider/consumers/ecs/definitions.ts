/** When two task definitions are the same, and what of one can be registered. Pure. */
import type * as Sdk from "@aws-sdk/client-ecs";
import type { Definition } from "./references";

/**
 * What ECS adds to a task definition, and RegisterTaskDefinition does not take:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
 */
export function registrable(definition: Definition): Sdk.RegisterTaskDefinitionCommandInput {
  const {
    taskDefinitionArn: _arn,
    revision: _revision,
    status: _status,
    requiresAttributes: _attributes,
    compatibilities: _compatibilities,
    registeredAt: _at,
    registeredBy: _by,
    deregisteredAt: _deregisteredAt,
    deleteRequestedAt: _deleteRequestedAt,
    family,
    containerDefinitions,
    ...others
  } = definition;
  return { family, containerDefinitions, ...others };
}

export function isSameDefinition(a: Definition, b: Definition): boolean {
  return canonical(registrable(a)) === canonical(registrable(b));
}

/** Independent of the order of keys, and of entries that have a name each: ECS promises no order for them. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(canonical);
    const named = value.every((one) => typeof one === "object" && one !== null && "name" in one);
    return `[${(named ? items.sort() : items).join(",")}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}
