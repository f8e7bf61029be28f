/** The calls of ECS that the consumer makes. */
import type * as Sdk from "@aws-sdk/client-ecs";
import type { AdapterContext } from "../../contracts/context";
import { AwsCaller } from "../../net/aws/caller";
import { DEFAULT_MAX_ATTEMPTS } from "../../net/aws/options";
import { loadAwsPackage } from "../../net/aws/sdk";
import { retrying } from "../../net/retry";
import { TurnedAway, useOf } from "./failures";
import type { EcsConsumerOptions } from "./options";
import { primaryOf, type Deployment, type Service } from "./deployments";
import type { Definition } from "./references";
import type { Task } from "./tasks";

interface Calls {
  readonly describeServices: readonly [Sdk.DescribeServicesCommandInput, Sdk.DescribeServicesCommandOutput];
  readonly describeTaskDefinition: readonly [
    Sdk.DescribeTaskDefinitionCommandInput,
    Sdk.DescribeTaskDefinitionCommandOutput,
  ];
  readonly describeTasks: readonly [Sdk.DescribeTasksCommandInput, Sdk.DescribeTasksCommandOutput];
  readonly listTaskDefinitions: readonly [Sdk.ListTaskDefinitionsCommandInput, Sdk.ListTaskDefinitionsCommandOutput];
  readonly listTasks: readonly [Sdk.ListTasksCommandInput, Sdk.ListTasksCommandOutput];
  readonly registerTaskDefinition: readonly [
    Sdk.RegisterTaskDefinitionCommandInput,
    Sdk.RegisterTaskDefinitionCommandOutput,
  ];
  readonly tagResource: readonly [Sdk.TagResourceCommandInput, Sdk.TagResourceCommandOutput];
  readonly updateService: readonly [Sdk.UpdateServiceCommandInput, Sdk.UpdateServiceCommandOutput];
}

export interface DefinitionFound {
  readonly definition: Definition;
  readonly tags: readonly Sdk.Tag[];
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html */
const MOST_TASKS = 100;

export class Api {
  private readonly caller: AwsCaller<Sdk.ECS, Calls>;
  /** Without the SDK's repetitions: a call whose answer was lost may have been carried out. */
  private readonly once: AwsCaller<Sdk.ECS, Calls>;
  private readonly where: { readonly cluster: string };

  constructor(
    private readonly options: EcsConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    const parts = {
      adapter: "consumer ecs",
      use: useOf(options),
      context,
      connect: async (config: Sdk.ECSClientConfig) => {
        const { ECS } = await loadAwsPackage<typeof Sdk>(
          "@aws-sdk/client-ecs",
          "The consumer ecs",
          () => import("@aws-sdk/client-ecs"),
        );
        return new ECS(config);
      },
    };
    this.caller = new AwsCaller({ ...parts, connection: options });
    this.once = new AwsCaller({ ...parts, connection: { ...options, maxAttempts: 1 } });
    this.where = { cluster: options.cluster };
  }

  /** @returns `undefined` when there is no such service. */
  async service(withTags: boolean): Promise<Service | undefined> {
    const { service } = this.options;
    const { services = [] } = await this.caller.call("describeServices", "the service", {
      ...this.where,
      services: [service],
      ...(withTags ? { include: ["TAGS"] } : {}),
    });
    return services[0];
  }

  async definition(arn: string): Promise<DefinitionFound> {
    const { taskDefinition = {}, tags = [] } = await this.caller.call("describeTaskDefinition", arn, {
      taskDefinition: arn,
      include: ["TAGS"],
    });
    return { definition: taskDefinition, tags };
  }

  /** The newest active revisions of a family, the newest first. */
  async revisions(family: string, most: number): Promise<readonly string[]> {
    const { taskDefinitionArns = [] } = await this.caller.call("listTaskDefinitions", family, {
      familyPrefix: family,
      status: "ACTIVE",
      sort: "DESC",
      maxResults: most,
    });
    return taskDefinitionArns;
  }

  async register(input: Sdk.RegisterTaskDefinitionCommandInput): Promise<string> {
    const family = input.family ?? "";
    const { taskDefinition } = await this.change(() => this.once.call("registerTaskDefinition", family, input));
    return taskDefinition?.taskDefinitionArn ?? family;
  }

  /** @returns the deployment that ECS has made. */
  async update(
    change: Pick<Sdk.UpdateServiceCommandInput, "taskDefinition" | "forceNewDeployment">,
  ): Promise<Deployment | undefined> {
    const { service } = this.options;
    const input = { ...this.where, service, ...change };
    const answer = await this.change(() => this.once.call("updateService", "the service", input));
    return answer.service && primaryOf(answer.service);
  }

  async tag(resourceArn: string, key: string, value: string): Promise<void> {
    await this.caller.call("tagResource", resourceArn, { resourceArn, tags: [{ key, value }] });
  }

  /** The ARNs of the service's tasks. Those of the last hour at least, where they are to be stopped. */
  async taskArns(desiredStatus: "RUNNING" | "STOPPED"): Promise<readonly string[]> {
    const found: string[] = [];
    let nextToken: string | undefined;
    do {
      const answer = await this.caller.call("listTasks", "the tasks", {
        ...this.where,
        serviceName: this.options.service,
        desiredStatus,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      found.push(...(answer.taskArns ?? []));
      nextToken = answer.nextToken;
    } while (nextToken !== undefined);
    return found;
  }

  /** Those that there still are. */
  async tasks(arns: readonly string[]): Promise<readonly Task[]> {
    const found: Task[] = [];
    for (let from = 0; from < arns.length; from += MOST_TASKS) {
      const tasks = arns.slice(from, from + MOST_TASKS);
      const answer = await this.caller.call("describeTasks", "the tasks", { ...this.where, tasks });
      found.push(...(answer.tasks ?? []));
    }
    return found;
  }

  private change<T>(call: () => Promise<T>): Promise<T> {
    const attempts = this.options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
    return retrying(this.context, { attempts, isTransient: (error) => error instanceof TurnedAway }, call);
  }
}
