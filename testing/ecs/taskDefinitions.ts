/**
 * Families of task definitions and their revisions.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definitions.html
 */
import { EcsError } from "./errors";
import { page } from "./paging";
import { parseReference } from "./secretReference";
import type { Request, Tag, TaskDefinition, TaskDefinitionInput } from "./wire";

/** Set by ECS, and refused by RegisterTaskDefinition. */
export interface Registered {
  readonly definition: TaskDefinition;
  readonly tags: readonly Tag[];
  readonly registeredAt: number;
}

export class TaskDefinitions {
  private readonly families = new Map<string, Registered[]>();

  constructor(
    private readonly prefix: string,
    private readonly now: () => number,
  ) {}

  /**
   * Each registration is a revision of its own, also where nothing is different:
   * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
   */
  register(input: Request | TaskDefinitionInput): Registered {
    const { family, containerDefinitions = [], tags = [], ...others } = input;
    if (!family || !/^[\w-]{1,255}$/.test(family))
      throw new EcsError("ClientException", "Family should not be null or empty, and match [a-zA-Z0-9_-].");
    if (containerDefinitions.length === 0)
      throw new EcsError("ClientException", "Container definitions should not be empty.");
    for (const { secrets = [], image, name } of containerDefinitions) {
      if (!image) throw new EcsError("ClientException", `Container.image should not be null or empty: ${name}`);
      for (const { valueFrom } of secrets) parseReference(valueFrom);
    }
    const revisions = this.families.get(family) ?? [];
    const revision = revisions.length + 1;
    const definition: TaskDefinition = {
      ...others,
      family,
      // ECS fills in defaults: "essential" is true where it is absent.
      containerDefinitions: containerDefinitions.map((container) => ({
        cpu: 0,
        essential: true,
        environment: [],
        mountPoints: [],
        volumesFrom: [],
        portMappings: [],
        systemControls: [],
        ...container,
      })),
      volumes: (others as { volumes?: unknown }).volumes ?? [],
      placementConstraints: (others as { placementConstraints?: unknown }).placementConstraints ?? [],
      taskDefinitionArn: `${this.prefix}:task-definition/${family}:${revision}`,
      revision,
      status: "ACTIVE",
    };
    const registered = { definition, tags, registeredAt: this.now() };
    this.families.set(family, [...revisions, registered]);
    return registered;
  }

  /** @param name an ARN, `family:revision`, or `family` for its newest active revision. */
  find(name: string): Registered {
    const short = name.startsWith("arn:") ? name.slice(name.indexOf("task-definition/") + 16) : name;
    const [family = "", revision] = short.split(":");
    const revisions = this.families.get(family) ?? [];
    const found =
      revision === undefined
        ? revisions.filter(({ definition }) => definition.status === "ACTIVE").at(-1)
        : revisions[Number(revision) - 1];
    if (!found) throw new EcsError("ClientException", "Unable to describe task definition.");
    return found;
  }

  /** An inactive revision can be described, and no task can be started from it by a new deployment. */
  deregister(name: string): void {
    const { definition } = this.find(name);
    const revisions = this.families.get(definition.family) ?? [];
    const index = definition.revision - 1;
    const found = revisions[index];
    if (found) revisions[index] = { ...found, definition: { ...definition, status: "INACTIVE" } };
  }

  /** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTaskDefinitions.html */
  list({ familyPrefix, status = "ACTIVE", sort = "ASC", maxResults, nextToken }: Request) {
    const all = [...this.families.entries()]
      .filter(([family]) => familyPrefix === undefined || family === familyPrefix)
      .flatMap(([, revisions]) => revisions)
      .filter(({ definition }) => definition.status === status)
      .map(({ definition }) => definition.taskDefinitionArn);
    const { items, next } = page(sort === "DESC" ? all.reverse() : all, maxResults, nextToken);
    return { taskDefinitionArns: items, ...next };
  }

  describe(name: string, include: readonly string[] = []) {
    const registered = this.find(name);
    return { taskDefinition: shown(registered), ...(include.includes("TAGS") ? { tags: registered.tags } : {}) };
  }
}

export function shown({ definition, registeredAt }: Registered): object {
  return {
    ...definition,
    requiresAttributes: [{ name: "com.amazonaws.ecs.capability.task-iam-role" }],
    compatibilities: ["EXTERNAL", "EC2", "FARGATE"],
    registeredAt: registeredAt / 1000,
    registeredBy: "arn:aws:iam::123456789012:user/test",
  };
}
