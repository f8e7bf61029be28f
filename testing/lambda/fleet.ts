/** The execution environments of one function: which one an invocation meets. */
import { Environment, type Outcome } from "./environment";
import { LambdaError } from "./fault";
import type { EmulatedFunction } from "./function";

export interface Invocation extends Outcome {
  /** The number of the version. */
  readonly version: string;
  /** Whether an environment was started for it. */
  readonly cold: boolean;
  readonly pid: number | undefined;
}

export class Fleet {
  /** All that were made for this function, in order. */
  readonly invocations: Invocation[] = [];
  /** How many may run at once. https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html */
  concurrency = 10;
  private readonly environments = new Set<Environment>();
  private requests = 0;

  constructor(
    private readonly owner: EmulatedFunction,
    private readonly region: string,
    private readonly random: () => number,
  ) {}

  async invoke(qualifier: string, event: unknown): Promise<Invocation> {
    const version = this.owner.version(this.choose(qualifier));
    this.owner.assertInvocable(version);
    let environment = [...this.environments].find((one) => one.version === version && !one.busy && one.alive);
    const cold = environment === undefined;
    if (environment === undefined) {
      if ([...this.environments].filter((one) => one.busy).length >= this.concurrency)
        throw new LambdaError("TooManyRequestsException", "Rate Exceeded.");
      environment = new Environment(version, this.owner.name, this.region);
      this.environments.add(environment);
    }
    environment.busy = true;
    try {
      const context = {
        functionName: this.owner.name,
        functionVersion: version.name,
        invokedFunctionArn: `${this.owner.arn}:${qualifier}`,
        awsRequestId: `request-${++this.requests}`,
      };
      const outcome = await environment.invoke(event, context);
      const invocation = { ...outcome, version: version.name, cold, pid: environment.pid };
      this.invocations.push(invocation);
      return invocation;
    } finally {
      environment.busy = false;
      if (!environment.alive) this.environments.delete(environment);
    }
  }

  /** What all environments of a version wrote. */
  logOf(version: string): string {
    return [...this.environments]
      .filter((one) => one.version.name === version)
      .map((one) => one.log())
      .join("");
  }

  /** Environments that run now, by version. */
  running(): Readonly<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const { alive, version } of this.environments) if (alive) found[version.name] = (found[version.name] ?? 0) + 1;
    return found;
  }

  /** Lambda ends environments that are idle. */
  async reclaim(): Promise<void> {
    const idle = [...this.environments].filter(({ busy }) => !busy);
    for (const environment of idle) this.environments.delete(environment);
    await Promise.all(idle.map((environment) => environment.stop()));
  }

  async stop(): Promise<void> {
    const all = [...this.environments];
    this.environments.clear();
    await Promise.all(all.map((environment) => environment.stop()));
  }

  /** By chance, as the weights say: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html */
  private choose(qualifier: string): string {
    const shares = Object.entries(this.owner.versionsBehind(qualifier));
    let left = this.random();
    for (const [version, share] of shares) {
      left -= share;
      if (left < 0) return version;
    }
    return shares[0]?.[0] ?? "$LATEST";
  }
}
