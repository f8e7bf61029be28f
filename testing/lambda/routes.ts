/** Which request is which operation. The paths are those of the pages of https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html */
import type { EmulatedFunction } from "./function";
import type { Fleet } from "./fleet";

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or for Invoke what the function answered. */
  readonly body?: object | string;
}

export interface Asked {
  readonly operation: Operation;
  /** The function's name as the path has it. */
  readonly functionName: string;
  /** The alias's name, where the path has one. */
  readonly alias: string | undefined;
  readonly query: URLSearchParams;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** IAM's name for it. */
  readonly action: string;
  /** Whether it changes something. */
  readonly changes: boolean;
  answer(asked: Asked, body: Buffer, on: EmulatedFunction, fleet: Fleet): Reply | Promise<Reply>;
}

const json = (status: number, body: object): Reply => ({ status, body });
const read = (body: Buffer) => (body.length === 0 ? {} : JSON.parse(body.toString())) as Record<string, unknown>;
const API = "^/2015-03-31/functions/([^/]+)";

export const ROUTES = {
  getFunctionConfiguration: {
    method: "GET",
    path: new RegExp(`${API}/configuration$`),
    action: "lambda:GetFunctionConfiguration",
    changes: false,
    answer: ({ query }, _, on) => json(200, on.getConfiguration(query.get("Qualifier") ?? undefined)),
  },
  getFunction: {
    method: "GET",
    path: new RegExp(`${API}$`),
    action: "lambda:GetFunction",
    changes: false,
    answer: ({ query }, _, on) =>
      json(200, { Configuration: on.getConfiguration(query.get("Qualifier") ?? undefined) }),
  },
  updateFunctionConfiguration: {
    method: "PUT",
    path: new RegExp(`${API}/configuration$`),
    action: "lambda:UpdateFunctionConfiguration",
    changes: true,
    answer: (_, body, on) => json(200, on.updateConfiguration(read(body))),
  },
  publishVersion: {
    method: "POST",
    path: new RegExp(`${API}/versions$`),
    action: "lambda:PublishVersion",
    changes: true,
    answer: (_, body, on) => json(201, on.publish(read(body))),
  },
  listVersionsByFunction: {
    method: "GET",
    path: new RegExp(`${API}/versions$`),
    action: "lambda:ListVersionsByFunction",
    changes: false,
    answer: ({ query }, _, on) =>
      json(200, on.listVersions(query.get("Marker") ?? undefined, Number(query.get("MaxItems") ?? 50))),
  },
  getAlias: {
    method: "GET",
    path: new RegExp(`${API}/aliases/([^/]+)$`),
    action: "lambda:GetAlias",
    changes: false,
    answer: ({ alias = "" }, _, on) => json(200, on.getAlias(alias)),
  },
  listAliases: {
    method: "GET",
    path: new RegExp(`${API}/aliases$`),
    action: "lambda:ListAliases",
    changes: false,
    answer: (_, __, on) => json(200, on.listAliases()),
  },
  updateAlias: {
    method: "PUT",
    path: new RegExp(`${API}/aliases/([^/]+)$`),
    action: "lambda:UpdateAlias",
    changes: true,
    answer: ({ alias = "" }, body, on) => json(200, on.updateAlias(alias, read(body))),
  },
  deleteFunction: {
    method: "DELETE",
    path: new RegExp(`${API}$`),
    action: "lambda:DeleteFunction",
    changes: true,
    answer: ({ query }, _, on) => {
      on.delete(query.get("Qualifier") ?? undefined);
      return { status: 204 };
    },
  },
  invoke: {
    method: "POST",
    path: new RegExp(`${API}/invocations$`),
    action: "lambda:InvokeFunction",
    changes: false,
    answer: async ({ query }, body, _, fleet) => {
      const { version, payload, functionError } = await fleet.invoke(query.get("Qualifier") ?? "$LATEST", read(body));
      return {
        status: 200,
        headers: {
          "x-amz-executed-version": version,
          ...(functionError === undefined ? {} : { "x-amz-function-error": functionError }),
        },
        body: payload,
      };
    },
  },
  getProvisionedConcurrencyConfig: {
    method: "GET",
    path: /^\/2019-09-30\/functions\/([^/]+)\/provisioned-concurrency$/,
    action: "lambda:GetProvisionedConcurrencyConfig",
    changes: false,
    answer: ({ query }, _, on) => json(200, on.getProvisioned(query.get("Qualifier") ?? "")),
  },
} satisfies Record<string, Route>;

export type Operation = keyof typeof ROUTES;

export function routeOf(operation: Operation): Route {
  return ROUTES[operation];
}

/** @returns `undefined` for what the emulator does not have. */
export function operationOf(method: string, url: URL): Asked | undefined {
  for (const operation of Object.keys(ROUTES) as Operation[]) {
    const { method: wanted, path } = routeOf(operation);
    const found = method === wanted ? path.exec(url.pathname) : null;
    if (found === null) continue;
    const [, functionName = "", alias] = found;
    return {
      operation,
      functionName,
      alias: alias === undefined ? undefined : decodeURIComponent(alias),
      query: url.searchParams,
    };
  }
  return undefined;
}
