/** Calls of one service of AWS: who calls, for how long at most, and what their errors mean. */
import type { AdapterContext } from "../../contracts/context";
import { withDeadline } from "../deadline";
import { durationMs } from "../options";
import { awsCredentials } from "./credentials";
import { regionMissing, timedOut, translate, type AwsUse } from "./failures";
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT, type AwsConnection } from "./options";

/** What the SDK's clients have in common. */
export interface AwsClient {
  readonly config: { region(): Promise<string> };
  destroy(): void;
}

/** What every client of the SDK is made with. */
export interface AwsClientConfig {
  readonly maxAttempts: number;
  readonly retryMode: "standard";
  readonly region?: string;
  readonly endpoint?: string;
  readonly profile?: string;
  readonly credentials?: NonNullable<Awaited<ReturnType<typeof awsCredentials>>>;
}

/** The methods of the client that are used: name to what it takes and gives. */
export type AwsCalls<Calls> = { readonly [O in keyof Calls]: readonly [input: object, output: object] };

type Method<Input, Output> = (input: Input, options: { abortSignal: AbortSignal }) => Promise<Output>;

export interface AwsCallerParts<Client extends AwsClient> {
  /** Whose options these are, as a message about a missing package says it: `store awsSecretsManager`. */
  readonly adapter: string;
  readonly connection: AwsConnection;
  readonly use: AwsUse;
  readonly context: Pick<AdapterContext, "signal">;
  /** Makes the client; loads the SDK. */
  connect(config: AwsClientConfig): Promise<Client>;
}

export class AwsCaller<Client extends AwsClient, Calls extends AwsCalls<Calls>> {
  private readonly timeoutMs: number;
  private client: Promise<Client> | undefined;

  constructor(private readonly parts: AwsCallerParts<Client>) {
    this.timeoutMs = durationMs(parts.connection.timeout, DEFAULT_TIMEOUT);
  }

  /**
   * @param subject what is called for, as messages say it: its name, or its ARN.
   * @param timeoutMs longer or shorter than the option says, for a call that is known to take longer.
   * @throws what {@link AwsUse.refusal} makes of what AWS refused, and else what {@link translate} does.
   */
  async call<O extends keyof Calls & string>(
    operation: O,
    subject: string,
    input: Calls[O][0],
    timeoutMs = this.timeoutMs,
  ): Promise<Calls[O][1]> {
    const { use, connection } = this.parts;
    return this.bounded(operation, timeoutMs, async (signal) => {
      const client = await this.connected();
      try {
        const methods = client as unknown as Record<O, Method<Calls[O][0], Calls[O][1]>>;
        return await methods[operation](input, { abortSignal: signal });
      } catch (error) {
        throw translate(error, { operation, subject }, use, connection);
      }
    });
  }

  /** The region in which the calls are made. */
  async region(): Promise<string> {
    return this.bounded("find the region", this.timeoutMs, async () => {
      const client = await this.connected();
      try {
        return await client.config.region();
      } catch {
        throw regionMissing(this.parts.use);
      }
    });
  }

  async close(): Promise<void> {
    const client = await this.client?.catch(() => undefined);
    this.client = undefined;
    client?.destroy();
  }

  private async bounded<T>(doing: string, timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.parts.context;
    const end = await withDeadline(timeoutMs, signal, work);
    if (end.ended === "done") return end.value;
    if (end.ended === "cancelled") throw signal.reason;
    throw timedOut(doing, this.parts.use, timeoutMs);
  }

  private async connected(): Promise<Client> {
    this.client ??= this.connect();
    try {
      return await this.client;
    } catch (error) {
      this.client = undefined;
      throw error;
    }
  }

  private async connect(): Promise<Client> {
    const { connection, adapter } = this.parts;
    const { region, endpoint, profile, maxAttempts = DEFAULT_MAX_ATTEMPTS } = connection;
    const credentials = await awsCredentials(connection, adapter, this.timeoutMs);
    return this.parts.connect({
      maxAttempts,
      // The other mode, "adaptive", also holds back calls that nobody turned away yet.
      retryMode: "standard",
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
    });
  }
}
