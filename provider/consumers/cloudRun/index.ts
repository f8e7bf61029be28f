/**
 * A service on Cloud Run whose template names secrets of Secret Manager, moved from revision to revision: each pins the
 * versions that it uses, and a new one gets requests only when it is ready.
 */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { durationMs } from "../../net/options";
import { describeTarget } from "../../net/target";
import { CloudRunClient } from "./client";
import { confirm } from "./confirm";
import { translatingFailures } from "./failures";
import type { CloudRunConsumerOptions } from "./options";
import { Roll } from "./roll";

export { cloudRunConsumerOptions, type CloudRunConsumerOptions } from "./options";

export function createCloudRunConsumer(options: CloudRunConsumerOptions, context: AdapterContext): Consumer {
  return new CloudRunConsumer(options, context);
}

class CloudRunConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  /** A revision is never changed, and names its versions by number. */
  readonly pinned = true;
  readonly hasEvidence = true;
  readonly readersCacheMs: number;

  constructor(
    private readonly options: CloudRunConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    this.name = options.name;
    this.wave = options.wave ?? 0;
    this.readersCacheMs = durationMs(options.readersCache, "0s");
  }

  roll(target: RollTarget): Promise<void> {
    return this.withClient(`be moved to ${describeTarget(target)}`, (client) =>
      new Roll(this.options, target, client, this.context).run(),
    );
  }

  confirm(target: RollTarget): Promise<Adoption> {
    return this.withClient(`be asked whether it uses ${describeTarget(target)}`, (client) =>
      confirm(this.options, target, client, this.context),
    );
  }

  /** Consumers are not closed: each use has connections of its own, which would keep the process alive. */
  private async withClient<T>(doing: string, use: (client: CloudRunClient) => Promise<T>): Promise<T> {
    this.context.signal.throwIfAborted();
    const client = new CloudRunClient(this.options, this.context);
    try {
      return await translatingFailures(this.options, doing, () => use(client));
    } finally {
      await client.close();
    }
  }
}
