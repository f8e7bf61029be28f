/** The real client, with something between it and the consumer. */
import type { ClientModule, Surroundings } from "../../../provider/net/kubernetes/client";
import { loadClient } from "../../../provider/net/kubernetes/client";

/** One call of the client: its method, and the parameters that it was given. */
export interface Call {
  readonly method: string;
  readonly request: Readonly<Record<string, any>>;
  readonly isChange: boolean;
}

/** @param proceed makes the call, with this token in place of the consumer's own if one is given. */
export type Hook = (call: Call, proceed: (token?: string) => Promise<unknown>) => Promise<unknown>;

type Api = Record<string, (request: any, options?: any) => Promise<unknown>>;

export function interposed(hook: Hook): Surroundings {
  return {
    load: async (): Promise<ClientModule> => {
      const client = await loadClient("The test");
      const around = <T extends object>(type: T): T =>
        new Proxy(type, {
          construct: (target, args) => through(new (target as any)(...args) as Api, hook, client),
        });
      return { ...client, CoreV1Api: around(client.CoreV1Api), CustomObjectsApi: around(client.CustomObjectsApi) };
    },
  };
}

function through(api: Api, hook: Hook, client: ClientModule): object {
  return new Proxy(api, {
    get: (_api, name) => {
      const method = String(name);
      const isChange = /^(create|patch|replace|delete)/.test(method);
      return (request: any, options?: any) =>
        hook({ method, request, isChange }, (token) => {
          const as =
            token === undefined ? options : client.setHeaderOptions("Authorization", `Bearer ${token}`, options);
          return api[method]!(request, as);
        });
    },
  });
}
