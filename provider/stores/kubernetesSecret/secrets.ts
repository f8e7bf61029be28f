/** The calls of the API server that this store makes, each within its time limit and repeated where it may be. */
import type { AdapterContext } from "../../contracts/context";
import { durationMs } from "../../net/options";
import { withDeadline } from "../../net/deadline";
import { retrying } from "../../net/retry";
import { answerIn, isAbsent, isTransient, NoAnswerInTime, NotTheApi, type Answer } from "./answers";
import type { ApiDeleteOptions, ApiSecret, Connection, CoreApi } from "./client";
import { translate, type Request } from "./failures";
import type { FoundSecret, Secret } from "./objects";

const DEFAULT_TIMEOUT = "10s";
const LIST_PAGE = 100;

export interface SecretsOptions {
  readonly location: string;
  readonly namespace: string;
  readonly timeout: string | undefined;
}

export class Secrets {
  private connecting: Promise<Connection> | undefined;
  private readonly timeout: string;
  private readonly timeoutMs: number;

  constructor(
    private readonly options: SecretsOptions,
    private readonly context: AdapterContext,
    private readonly connect: () => Promise<Connection>,
  ) {
    this.timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.timeoutMs = durationMs(options.timeout, DEFAULT_TIMEOUT);
  }

  /** @returns `undefined` where there is none of that name. */
  async get(name: string): Promise<FoundSecret | undefined> {
    const { namespace } = this.options;
    return this.call(
      { verb: "get", name },
      async (core) => found(await core.readNamespacedSecret({ name, namespace }), name),
      (answer) => (isAbsent(answer, name) ? { is: undefined } : undefined),
    );
  }

  async create(secret: Secret): Promise<FoundSecret | "exists"> {
    const { namespace } = this.options;
    const { name } = secret.metadata;
    return this.call<FoundSecret | "exists">(
      { verb: "create", name },
      async (core) => found(await core.createNamespacedSecret({ namespace, body: asSent(secret) }), name),
      (answer) => (answer.code === 409 && answer.reason === "AlreadyExists" ? { is: "exists" } : undefined),
    );
  }

  /** Only if it still is in the state that was read: the API server compares uid and resourceVersion. */
  async replace(secret: FoundSecret): Promise<FoundSecret | "changed"> {
    const { namespace } = this.options;
    const { name } = secret.metadata;
    return this.call<FoundSecret | "changed">(
      { verb: "update", name },
      async (core) => found(await core.replaceNamespacedSecret({ name, namespace, body: asSent(secret) }), name),
      (answer) => (isAbsent(answer, name) || answer.code === 409 ? { is: "changed" } : undefined),
    );
  }

  /** Only if it still is in the state that was read. Gone already is success. */
  async delete({ metadata: { name, uid, resourceVersion } }: FoundSecret): Promise<"deleted" | "changed"> {
    const { namespace } = this.options;
    return this.call<"deleted" | "changed">(
      { verb: "delete", name },
      async (core) => {
        const body = { preconditions: { uid, resourceVersion } } as unknown as ApiDeleteOptions;
        await core.deleteNamespacedSecret({ name, namespace, body });
        return "deleted";
      },
      (answer) => (isAbsent(answer, name) ? { is: "deleted" } : answer.code === 409 ? { is: "changed" } : undefined),
    );
  }

  async list(labelSelector: string): Promise<FoundSecret[]> {
    const { namespace } = this.options;
    const all: FoundSecret[] = [];
    let next: string | undefined;
    do {
      const request = { namespace, labelSelector, limit: LIST_PAGE, ...(next ? { _continue: next } : {}) };
      const page = await this.call({ verb: "list" }, async (core) => {
        const list = await core.listNamespacedSecret(request);
        if (list.kind !== "SecretList") throw new NotTheApi();
        return { items: list.items.map((item) => found(item)), next: list.metadata?._continue };
      });
      all.push(...page.items);
      next = page.next;
    } while (next);
    return all;
  }

  /** @param known what an answer means that is no failure. */
  private async call<T>(
    request: Request,
    action: (core: CoreApi) => Promise<T>,
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

  private async once<T>(connection: Connection, action: (core: CoreApi) => Promise<T>): Promise<T> {
    const bounded = await withDeadline(this.timeoutMs, this.context.signal, (signal) =>
      action(connection.core(signal)),
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

/** The client takes plain objects, though its types speak of classes. */
function asSent(secret: unknown): ApiSecret {
  return secret as ApiSecret;
}

/** @throws NotTheApi where this is no Secret: a portal's page, say, that was answered with 200. */
function found(secret: ApiSecret, name?: string): FoundSecret {
  const { metadata } = secret as { readonly metadata?: Partial<FoundSecret["metadata"]> };
  if (!metadata?.name || !metadata.uid || !metadata.resourceVersion || (name !== undefined && metadata.name !== name))
    throw new NotTheApi();
  return secret as unknown as FoundSecret;
}
