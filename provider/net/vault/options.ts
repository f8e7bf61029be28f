/** What a user writes so that Vault is found, and how to log in: the same for every adapter. */
import { z } from "zod";
import { secretSourceSchema } from "../../contracts/secretSource";
import { ConfigurationError } from "../../lifecycle/errors";
import { caFile, httpUrl } from "../httpOptions";
import { describeValue, duration, strictOptions, text } from "../options";

export const DEFAULT_TIMEOUT = "10s";

/** Where Kubernetes puts a pod's token: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
const SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/** Vault refuses what cannot be printed; the other separators of lines would make a path look like two. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Names in Vault, with `/` between them. Written in one way only, so that one place has one name. */
export function vaultPath(what: string, example: string) {
  return text(what, 512).refine(isPlainPath, {
    error: (issue) =>
      `${what} must be names with "/" between them, such as "${example}": no "/" at its ends, no empty name, no "." or ` +
      `"..", no name that starts or ends with a space, nothing that cannot be printed; it is ${describeValue(issue.input)}`,
  });
}

function isPlainPath(path: string): boolean {
  if (UNPRINTABLE.test(path)) return false;
  return path.split("/").every((name) => name !== "" && name !== "." && name !== ".." && name.trim() === name);
}

const address = httpUrl("address").refine(hasNoQuery, {
  error: 'address must end with its path: a "?" or "#" has no meaning in Vault\'s address',
});

function hasNoQuery(value: string): boolean {
  return !URL.canParse(value) || !/[?#]/.test(value);
}

const auth = z.discriminatedUnion(
  "method",
  [
    strictOptions("auth by token", { method: z.literal("token"), token: secretSourceSchema("the token") }),
    strictOptions("auth by AppRole", {
      method: z.literal("appRole"),
      /** Where the method is mounted, without `auth/`. Default: `approle`. */
      mount: vaultPath("auth.mount", "approle").default("approle"),
      roleId: text("auth.roleId"),
      secretId: secretSourceSchema("the secret id"),
    }),
    strictOptions("auth by Kubernetes service account", {
      method: z.literal("kubernetes"),
      /** Default: `kubernetes`. */
      mount: vaultPath("auth.mount", "kubernetes").default("kubernetes"),
      role: text("auth.role"),
      /** Default: the token that Kubernetes mounts into every pod. */
      tokenFile: text("auth.tokenFile").default(SERVICE_ACCOUNT_TOKEN),
    }),
    strictOptions("auth by JWT", {
      method: z.literal("jwt"),
      /** Default: `jwt`. */
      mount: vaultPath("auth.mount", "jwt").default("jwt"),
      role: text("auth.role"),
      token: secretSourceSchema("the JWT"),
    }),
  ],
  { error: 'auth must have a "method": "token", "appRole", "kubernetes" or "jwt"' },
);

/** Where Vault is. */
export const vaultPlaceOptions = {
  /** Where Vault's API is: `https://vault.internal:8200`. Default: the environment variable VAULT_ADDR. */
  address: address.optional(),
  /** A namespace of Vault Enterprise or HCP Vault, such as `admin/team-a`. Default: none. */
  namespace: vaultPath("namespace", "admin/team-a").optional(),
};

export const vaultAuthOptions = {
  /** How to log in. Default: with the token in the environment variable VAULT_TOKEN. */
  auth: auth.default({ method: "token", token: { from: "env", name: "VAULT_TOKEN" } }),
};

/** How it is asked. */
export const vaultCallOptions = {
  /** A PEM file of the authorities to trust, in place of those that Node.js trusts. */
  caFile: caFile.optional(),
  /** How long one request may take, from 100ms to 5m. Default: 10s. */
  timeout: duration("timeout", 100, 300_000).default(DEFAULT_TIMEOUT),
};

export type VaultAuth = z.output<typeof auth>;

export interface VaultConnection {
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  readonly auth: VaultAuth;
  readonly caFile?: string | undefined;
  readonly timeout?: string | undefined;
}

/**
 * The address without a `/` at its end.
 * @param user who has the options, as a sentence begins: `The store vaultKv`.
 * @throws ConfigurationError when neither the option nor VAULT_ADDR has one.
 */
export function vaultAddress(
  user: string,
  options: Pick<VaultConnection, "address">,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const given = options.address ?? environment["VAULT_ADDR"];
  if (given === undefined || given === "") {
    throw new ConfigurationError(
      `${user} has no address, and the environment variable VAULT_ADDR is not set where pulumi runs. Nothing ` +
        'was asked. Give it address: "https://<host>:8200", or set VAULT_ADDR, and run again.',
    );
  }
  const parsed = address.safeParse(given);
  if (!parsed.success) {
    throw new ConfigurationError(
      `The environment variable VAULT_ADDR cannot be used: ${parsed.error.issues.map(({ message }) => message).join("; ")}. ` +
        "Nothing was asked. Correct it and run again.",
    );
  }
  return new URL(given).href.replace(/\/+$/, "");
}
