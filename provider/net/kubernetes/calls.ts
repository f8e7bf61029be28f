/** Calls of the API server, each within its time limit and repeated where it may be. */
import type { AdapterContext } from "../../contracts/context";
import { withDeadline } from "../deadline";
import { durationMs } from "../options";
import { retrying } from "../retry";
import { answerIn, isTransient, NoAnswerInTime, type Answer } from "./answers";
import type { Apis, Connection } from "./client";
import { translate, type Place, type Request } from "./failures";

export const DEFAULT_TIMEOUT = "10s";

export interface CallsOptions extends Omit<Place, "server" | "timeout"> {
  /** How long one call may take. Default: "10s". */
  readonly timeout: string | undefined;
}

export class Calls {
  private connecting: Promise<Connection> | undefined;
  private readonly timeout: string;
  private readonly timeoutMs: number;

  constructor(
    private readonly options: CallsOptions,
    private readonly context: AdapterContext,
    private readonly connect: () => Promise<Connection>,
  ) {
    this.timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.timeoutMs = durationMs(options.timeout, DEFAULT_TIMEOUT);
  }

  /**
   * @param action may be repeated.
   * @param known what an answer means that is no failure.
   */
  async call<T>(
    request: Request,
    action: (apis: Apis) => Promise<T>,
    known: (answer: Answer) => { readonly is: T } | undefined = () => undefined,
  ): Promise<T> {
    const connection = await this.connection();
    try {
      return await retrying(this.context, { isTransient }, () => this.once(connection, action));
    } catch (error) {
      this.context.signal.throwIfAborted();
      const answer = answerIn(error);
      const outcome = answer && known(answer);
      if (outcome !== undefined) return outcome.is;
      throw translate(error, request, { ...this.options, timeout: this.timeout, server: connection.server });
    }
  }

  private async once<T>(connection: Connection, action: (apis: Apis) => Promise<T>): Promise<T> {
    const bounded = await withDeadline(this.timeoutMs, this.context.signal, (signal) =>
      action(connection.apis(signal)),
    );
    if (bounded.ended === "done") return bounded.value;
    this.context.signal.throwIfAborted();
    throw new NoAnswerInTime();
  }

  /** Made once; one that failed is tried again, since a log-in may have been renewed meanwhile. */
  private async connection(): Promise<Connection> {
    this.connecting ??= this.connect();
    try {
      return await this.connecting;
    } catch (error) {
      this.connecting = undefined;
      throw error;
    }
  }
}
