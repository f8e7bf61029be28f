/** The calls of the API server that this store makes, each within its time limit and repeated where it may be. */
import { isAbsent, NotTheApi } from "../../net/kubernetes/answers";
import type { Calls } from "../../net/kubernetes/calls";
import type { ApiDeleteOptions, ApiSecret } from "../../net/kubernetes/client";
import { SECRETS, type Advice } from "../../net/kubernetes/failures";
import type { FoundSecret, Secret } from "./objects";

const LIST_PAGE = 100;

export const ADVICE: Advice = {
  tooLarge:
    "a Secret may hold 1 MiB. Nothing was changed. Take a smaller value or format; for the ledger, retire versions and " +
    "release rollouts that are gone.",
  quota:
    "This store needs up to 6 Secrets for each secret, and one more for each further epoch of a live version; raise the " +
    "quota.",
  admission: "Let it allow this (its reasons are in its log), or set `labels` if it wants some.",
  invalid: "Correct `format` or `labels`.",
  rolePage: "docs/stores/kubernetes.md",
};

export class Secrets {
  constructor(
    private readonly namespace: string,
    private readonly calls: Calls,
  ) {}

  /** @returns `undefined` where there is none of that name. */
  async get(name: string): Promise<FoundSecret | undefined> {
    const { namespace } = this;
    return this.calls.call(
      { verb: "get", resource: SECRETS, name },
      async ({ core }) => found(await core.readNamespacedSecret({ name, namespace }), name),
      (answer) => (isAbsent(answer, SECRETS.plural, name) ? { is: undefined } : undefined),
    );
  }

  async create(secret: Secret): Promise<FoundSecret | "exists"> {
    const { namespace } = this;
    const { name } = secret.metadata;
    return this.calls.call<FoundSecret | "exists">(
      { verb: "create", resource: SECRETS, name },
      async ({ core }) => found(await core.createNamespacedSecret({ namespace, body: asSent(secret) }), name),
      (answer) => (answer.code === 409 && answer.reason === "AlreadyExists" ? { is: "exists" } : undefined),
    );
  }

  /** Only if it still is in the state that was read: the API server compares uid and resourceVersion. */
  async replace(secret: FoundSecret): Promise<FoundSecret | "changed"> {
    const { namespace } = this;
    const { name } = secret.metadata;
    return this.calls.call<FoundSecret | "changed">(
      { verb: "update", resource: SECRETS, name },
      async ({ core }) => found(await core.replaceNamespacedSecret({ name, namespace, body: asSent(secret) }), name),
      (answer) => (isAbsent(answer, SECRETS.plural, name) || answer.code === 409 ? { is: "changed" } : undefined),
    );
  }

  /** Only if it still is in the state that was read. Gone already is success. */
  async delete({ metadata: { name, uid, resourceVersion } }: FoundSecret): Promise<"deleted" | "changed"> {
    const { namespace } = this;
    return this.calls.call<"deleted" | "changed">(
      { verb: "delete", resource: SECRETS, name },
      async ({ core }) => {
        const body = { preconditions: { uid, resourceVersion } } as unknown as ApiDeleteOptions;
        await core.deleteNamespacedSecret({ name, namespace, body });
        return "deleted";
      },
      (answer) =>
        isAbsent(answer, SECRETS.plural, name)
          ? { is: "deleted" }
          : answer.code === 409
            ? { is: "changed" }
            : undefined,
    );
  }

  async list(labelSelector: string): Promise<FoundSecret[]> {
    const { namespace } = this;
    const all: FoundSecret[] = [];
    let next: string | undefined;
    do {
      const request = { namespace, labelSelector, limit: LIST_PAGE, ...(next ? { _continue: next } : {}) };
      const page = await this.calls.call({ verb: "list", resource: SECRETS }, async ({ core }) => {
        const list = await core.listNamespacedSecret(request);
        if (list.kind !== "SecretList") throw new NotTheApi();
        return { items: list.items.map((item) => found(item)), next: list.metadata?._continue };
      });
      all.push(...page.items);
      next = page.next;
    } while (next);
    return all;
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
