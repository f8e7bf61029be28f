/** The service as it is, and in words. */
import { ConfigurationError } from "../../lifecycle/errors";
import type { Api } from "./api";
import { primaryOf, shortArn, type Service } from "./deployments";
import type { EcsConsumerOptions } from "./options";

/** @throws ConfigurationError where it is none that can be moved here. */
export async function findService(api: Api, options: EcsConsumerOptions, withTags = false): Promise<Service> {
  const service = await api.service(withTags);
  assertMovable(service, options);
  return service;
}

function assertMovable(
  service: Service | undefined,
  { name, cluster, service: called }: EcsConsumerOptions,
): asserts service is Service {
  const refuse = (what: string): never => {
    throw new ConfigurationError(`Consumer "${name}": the service ${called} of the cluster ${cluster} ${what}`);
  };
  if (!service) return refuse("does not exist. Correct `cluster`, `service` or `region`.");
  if (service.status !== "ACTIVE")
    refuse(`is ${service.status}: it is being deleted, or was. Make it again, or take the consumer out.`);
  const controller = service.deploymentController?.type ?? "ECS";
  if (controller !== "ECS") {
    const by =
      controller === "CODE_DEPLOY" ? "AWS CodeDeploy makes its deployments" : "its task sets are made by others";
    refuse(
      `has the deployment controller ${controller}: ${by}, and ECS refuses to make one. Nothing was changed. Use a ` +
        "service with the controller ECS, or a consumer of type command that starts such a deployment.",
    );
  }
  const strategy = service.deploymentConfiguration?.strategy ?? "ROLLING";
  if (strategy !== "ROLLING")
    refuse(
      `has the deployment strategy ${strategy}; only ROLLING can be followed here. Nothing was changed. Use a consumer ` +
        "of type command, which waits for the end of such a deployment itself.",
    );
}

/** `orders-api runs 2 of 2 tasks; deployment ecs-svc/1 of orders:7 is primary` */
export function describeService(service: Service): string {
  const primary = primaryOf(service);
  const { runningCount = 0, desiredCount = 0 } = service;
  return (
    `${service.serviceName ?? "the service"} runs ${runningCount} of ${desiredCount} tasks` +
    (primary ? `; its primary deployment is ${primary.id ?? "without id"} of ${shortArn(primary.taskDefinition)}` : "")
  );
}

const SHOWN_EVENTS = 2;

/** What ECS has said of the service since then, the latest first; not the usual starts and stops. */
export function eventsSince(service: Service, since: Date | undefined): readonly string[] {
  return (service.events ?? [])
    .filter(({ createdAt }) => since === undefined || (createdAt !== undefined && createdAt >= since))
    .map(({ message = "" }) => message)
    .filter((message) => /unable|failed|unhealthy|error/i.test(message))
    .slice(0, SHOWN_EVENTS);
}

/** ECS's word for that it goes on trying, less and less often. */
export function isImpaired(events: readonly string[]): boolean {
  return events.some((message) => /unable to consistently start tasks successfully/i.test(message));
}
