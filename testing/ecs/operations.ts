/** The operations of ECS that the emulator has, each as its page of the API reference says. */
import { EcsError } from "./errors";
import { page } from "./paging";
import type { Service } from "./service";
import { shown, type TaskDefinitions } from "./taskDefinitions";
import type { Request, Tag } from "./wire";

/** Whether it changes something, for those who count changes or forbid them. */
export const OPERATIONS = {
  DescribeServices: false,
  DescribeTaskDefinition: false,
  DescribeTasks: false,
  ListTaskDefinitions: false,
  ListTasks: false,
  ListTagsForResource: false,
  RegisterTaskDefinition: true,
  TagResource: true,
  UntagResource: true,
  UpdateService: true,
} as const;

export type Operation = keyof typeof OPERATIONS;

export interface State {
  readonly cluster: string;
  readonly services: Map<string, Service>;
  readonly definitions: TaskDefinitions;
}

type Handlers = Readonly<Record<Operation, (request: Request) => object>>;

export function handlersOf(state: State): Handlers {
  const inCluster = ({ cluster = "default" }: Request) => {
    // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html#API_DescribeServices_Errors
    if (lastPart(cluster) !== state.cluster) throw new EcsError("ClusterNotFoundException", "Cluster not found.");
  };
  const named = (name = "") => state.services.get(lastPart(name));
  const tagged = ({ resourceArn = "" }: Request): Service => {
    const service = resourceArn.includes(":service/") ? named(resourceArn) : undefined;
    if (!service) throw new EcsError("InvalidParameterException", "The specified resource is not found.");
    return service;
  };

  return {
    DescribeServices: (request) => {
      inCluster(request);
      const { services = [], include } = request;
      if (services.length > 10) throw new EcsError("InvalidParameterException", "At most 10 services.");
      return {
        services: services.flatMap((name) => named(name)?.describe(include) ?? []),
        // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
        failures: services.flatMap((name) => (named(name) ? [] : [{ arn: name, reason: "MISSING" }])),
      };
    },
    DescribeTaskDefinition: ({ taskDefinition = "", include }) => state.definitions.describe(taskDefinition, include),
    ListTaskDefinitions: (request) => state.definitions.list(request),
    RegisterTaskDefinition: (request) => {
      const registered = state.definitions.register(request);
      return { taskDefinition: shown(registered), ...(request.tags ? { tags: registered.tags } : {}) };
    },
    ListTasks: (request) => {
      inCluster(request);
      const { serviceName, desiredStatus = "RUNNING", maxResults, nextToken } = request;
      const service = named(serviceName);
      // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html#API_ListTasks_Errors
      if (!service) throw new EcsError("ServiceNotFoundException", "Service not found.");
      // Stopped tasks are shown for at least an hour: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/view-stopped-tasks.html
      const all = service.tasks.filter((task) => task.desiredStatus === desiredStatus).map(({ arn }) => arn);
      const { items, next } = page(all, maxResults, nextToken);
      return { taskArns: items, ...next };
    },
    DescribeTasks: (request) => {
      inCluster(request);
      const { tasks = [] } = request;
      if (tasks.length > 100) throw new EcsError("InvalidParameterException", "Tasks can not be more than 100.");
      const all = [...state.services.values()].flatMap((service) => service.tasks);
      const find = (name: string) => all.find(({ arn, id }) => name === arn || name === id);
      return {
        tasks: tasks.flatMap((name) => find(name)?.describe() ?? []),
        failures: tasks.flatMap((name) => (find(name) ? [] : [{ arn: name, reason: "MISSING" }])),
      };
    },
    UpdateService: (request) => {
      inCluster(request);
      const service = named(request.service);
      if (!service) throw new EcsError("ServiceNotFoundException", "Service not found.");
      if (service.status !== "ACTIVE") throw new EcsError("ServiceNotActiveException", "Service was not ACTIVE.");
      const { taskDefinition, forceNewDeployment = false, desiredCount } = request;
      if (service.controller !== "ECS" && (taskDefinition !== undefined || forceNewDeployment))
        throw new EcsError(
          "InvalidParameterException",
          `Unable to update task definition on services with a ${service.controller} deployment controller.`,
        );
      const next = taskDefinition === undefined ? undefined : state.definitions.find(taskDefinition).definition;
      if (next?.status === "INACTIVE") throw new EcsError("ClientException", "TaskDefinition is inactive");
      if (desiredCount !== undefined) service.scale(desiredCount);
      const isOther = next !== undefined && next.taskDefinitionArn !== service.taskDefinition.taskDefinitionArn;
      if (isOther || forceNewDeployment) service.deploy(next ?? service.taskDefinition);
      return { service: service.describe() };
    },
    ListTagsForResource: (request) => ({ tags: tagged(request).tags }),
    TagResource: (request) => {
      const { tags } = tagged(request);
      for (const tag of request.tags ?? []) {
        assertTag(tag);
        const index = tags.findIndex(({ key }) => key === tag.key);
        tags.splice(index === -1 ? tags.length : index, 1, tag);
      }
      return {};
    },
    UntagResource: (request) => {
      const { tags } = tagged(request);
      const kept = tags.filter(({ key }) => !request.tagKeys?.includes(key));
      tags.splice(0, tags.length, ...kept);
      return {};
    },
  };
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html */
function assertTag({ key, value }: Tag): void {
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
  if (key.length > 0 && key.length <= 128 && allowed.test(key) && !/^aws:/i.test(key))
    if (value.length <= 256 && allowed.test(value)) return;
  throw new EcsError("InvalidParameterException", `Tag key or value is not valid: ${key}`);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
