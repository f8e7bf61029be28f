/** Getting a token by each of the ways to log in. */
import { readFile } from "node:fs/promises";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError, type RotationError } from "../../lifecycle/errors";
import { refusal, type VaultUse } from "./failures";
import type { VaultAuth } from "./options";
import type { Transport, VaultAnswer, VaultRequest } from "./transport";

export interface Lease {
  readonly token: string;
  /** How long the token is good for, in ms; `undefined`: for ever. */
  readonly forMs: number | undefined;
  readonly renewable: boolean;
}

type Login = Exclude<VaultAuth, { method: "token" }>;

/** @throws ConfigurationError when Vault does not let it in. */
export async function logIn(auth: Login, transport: Transport, use: VaultUse, context: AdapterContext): Promise<Lease> {
  const path = `auth/${auth.mount}/login`;
  const body = await credentialsOf(auth, context);
  const request: VaultRequest = { method: "POST", path, body, capability: '"update"', secret: true, writes: true };
  const answer = await transport.send(request);
  const lease = leaseOf(answer);
  if (lease === undefined) throw refusedLogin(auth, path, use, answer);
  return lease;
}

/** @returns the lease that a login or a renewal brought. */
export function leaseOf({ status, document }: VaultAnswer): Lease | undefined {
  const auth = document["auth"] as Readonly<Record<string, unknown>> | null | undefined;
  const token = auth?.["client_token"];
  if (status !== 200 || typeof token !== "string" || token === "") return undefined;
  const seconds = Number(auth?.["lease_duration"]);
  return { token, forMs: seconds > 0 ? seconds * 1000 : undefined, renewable: auth?.["renewable"] === true };
}

async function credentialsOf(auth: Login, context: AdapterContext): Promise<Record<string, string>> {
  switch (auth.method) {
    case "appRole":
      return { role_id: auth.roleId, secret_id: await context.resolveSecret(auth.secretId) };
    case "kubernetes":
      return { role: auth.role, jwt: await readToken(auth.tokenFile) };
    case "jwt":
      return { role: auth.role, jwt: await context.resolveSecret(auth.token) };
  }
}

/** Read anew at each login: Kubernetes writes a new one well before the last one expires. */
async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new ConfigurationError(
      `The service account's token ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"}). ` +
        "Nothing was asked. Run in a pod with automountServiceAccountToken, or name the file with auth.tokenFile.",
    );
  }
}

const TO_CHECK: Readonly<Record<Login["method"], string>> = {
  appRole: "that role id and secret id belong together, and that the secret id is not used up or expired",
  kubernetes: "that the role is bound to this pod's service account and namespace",
  jwt: "that the role accepts the JWT's issuer, audience and claims, and that the JWT has not expired",
};

function refusedLogin(auth: Login, path: string, use: VaultUse, { status, errors }: VaultAnswer): RotationError {
  const where = `The login by ${auth.method} at ${path}`;
  if (status === 404) {
    return refusal(where, { path, capability: '"update"', writes: false }, { status, errors: [] }, use);
  }
  // Vault says 403 too where nothing is mounted. Its words may quote what was sent, and are not repeated.
  const absent = errors.some((text) => text.includes("no handler for route"));
  return new ConfigurationError(
    `${where} was refused by Vault (HTTP ${status}). Nothing was changed. Check that the method is enabled there ` +
      `(vault auth list)${absent ? "" : `, and ${TO_CHECK[auth.method]}`}; then run again.`,
  );
}
