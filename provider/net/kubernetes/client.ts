/** Loads `@kubernetes/client-node` and the kubeconfig when they are first needed. */
import { existsSync } from "node:fs";
import type * as Client from "@kubernetes/client-node" with { "resolution-mode": "import" };
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError } from "../../lifecycle/errors";
import type { Kubeconfig } from "./options";

export type ClientModule = typeof Client;
export type CoreApi = Client.CoreV1Api;
/** Objects of any group and kind, as they are: what the client's own types do not know stays in them. */
export type ObjectsApi = Client.CustomObjectsApi;
export type ApiSecret = Client.V1Secret;
export type ApiPod = Client.V1Pod;
export type ApiDeleteOptions = Client.V1DeleteOptions;
type KubeConfig = Client.KubeConfig;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** What the client takes where it finds no configuration at all. */
const CLIENT_FALLBACK = { context: "loaded-context", server: "http://localhost:8080" };
/** What the client says of an entry that lacks something. Anything else it says may quote the file. */
const MISSING_ENTRY = /^(clusters|users|contexts)\[\d+\](\.\w+)* is missing$/;

/** The API, with the credentials of the kubeconfig. */
export interface Apis {
  readonly core: CoreApi;
  readonly objects: ObjectsApi;
  /** For a patch: what it sends is applied by the server. */
  readonly apply: Client.ConfigurationOptions;
}

export interface Connection {
  readonly server: string;
  /** What they do ends when the signal is aborted. */
  apis(signal: AbortSignal): Apis;
}

/** What is to be reached, and for whom. */
export interface ConnectionRequest {
  /** Who needs the client: `The kubernetesSecret store`. */
  readonly who: string;
  readonly kubeconfig: Kubeconfig | undefined;
}

/** Where things are found; tests put them elsewhere. */
export interface Surroundings {
  readonly load?: () => Promise<ClientModule>;
  /** Put before the path of the service account's files. */
  readonly root?: string;
}

/** The credentials of the kubeconfig could not be made ready: a plugin failed, or a file that it names is missing. */
export class CredentialsUnavailable extends Error {}

export async function connect(
  { who, kubeconfig }: ConnectionRequest,
  context: AdapterContext,
  surroundings: Surroundings = {},
): Promise<Connection> {
  const client = await loadClient(who, surroundings.load);
  const config = new client.KubeConfig();
  const found = readConfig(config, kubeconfig, surroundings.root ?? "");
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new ConfigurationError(
      `${found} has no cluster for its context "${config.getCurrentContext()}". Nothing was changed. Correct the kubeconfig, or name another context in kubeconfig.context.`,
    );
  if (!cluster.server.startsWith("https://"))
    throw new ConfigurationError(
      `${found} reaches the API server at ${cluster.server}, without TLS: whoever is between could read the secret. Nothing was changed. Give the cluster an https:// address.`,
    );
  if (cluster.skipTLSVerify)
    context.log.warn(
      `${found} turns off the verification of the API server's certificate (insecure-skip-tls-verify): whoever is ` +
        "between can read the secret. Give the cluster its certificate-authority-data instead.",
    );
  const { server } = cluster;
  return {
    server,
    apis: (signal) => {
      const configuration = client.createConfiguration({
        baseServer: new client.ServerConfiguration(server, {}),
        authMethods: { default: authentication(config, signal) },
      });
      return {
        core: new client.CoreV1Api(configuration),
        objects: new client.CustomObjectsApi(configuration),
        apply: client.setHeaderOptions("Content-Type", client.PatchStrategy.ServerSideApply),
      };
    },
  };
}

/** @param who begins the message: `The kubernetesSecret store`. */
export async function loadClient(
  who: string,
  load: () => Promise<ClientModule> = () => import("@kubernetes/client-node"),
): Promise<ClientModule> {
  try {
    return await load();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "MODULE_NOT_FOUND" || code === "ERR_MODULE_NOT_FOUND")
      throw new ConfigurationError(
        `${who} needs the package "@kubernetes/client-node", which is not installed. Run: ` +
          `npm install @kubernetes/client-node${isOldNode() ? "@1" : ""}`,
      );
    // Version 2 stands on a library that fails while it is loaded by an older Node.
    if (!isOldNode()) throw error;
    throw new ConfigurationError(
      `The package "@kubernetes/client-node" cannot be loaded by Node.js ${process.version}: ` +
        `${(error as Error).message}. Its version 2 needs Node.js 22.19 or newer. Run: ` +
        "npm install @kubernetes/client-node@1",
    );
  }
}

function isOldNode(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < 22 || (major === 22 && minor < 19);
}

/** @returns what was read, in words. */
function readConfig(config: KubeConfig, given: Kubeconfig | undefined, root: string): string {
  if (given === "in-cluster") {
    readServiceAccount(config, root);
    return "The service account of this pod";
  }
  const found = given?.path === undefined ? describeDefault() : `The kubeconfig ${given.path}`;
  try {
    if (given?.path === undefined) config.loadFromDefault();
    else config.loadFromFile(given.path);
  } catch (error) {
    throw new ConfigurationError(
      `${found} could not be read: ${whyUnreadable(error)}. Nothing was changed. Correct it, or name another one in kubeconfig.path.`,
    );
  }
  if (given?.path === undefined && isFallback(config))
    throw new ConfigurationError(
      "There is no kubeconfig: KUBECONFIG is not set, ~/.kube/config does not exist, and this is no pod. Nothing was " +
        'changed. Name one in kubeconfig.path, or write kubeconfig: "in-cluster" where `pulumi` runs in a pod.',
    );
  useContext(config, given?.context, found);
  return found;
}

function useContext(config: KubeConfig, wanted: string | undefined, found: string): void {
  // A kubeconfig may have no current one, whatever the client's types say.
  const name = [wanted, config.getCurrentContext()].find(Boolean);
  const contexts = config.getContexts().map((one) => one.name);
  if (name === undefined || !contexts.includes(name))
    throw new ConfigurationError(
      `${found} has ${name ? `no context "${name}"` : "no current context"}; it has ` +
        `${contexts.length === 0 ? "none" : contexts.join(", ")}. Nothing was changed. Name one of them in kubeconfig.context.`,
    );
  config.setCurrentContext(name);
}

function readServiceAccount(config: KubeConfig, root: string): void {
  const token = `${root}${SERVICE_ACCOUNT}/token`;
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  if (!host || !process.env["KUBERNETES_SERVICE_PORT"] || !existsSync(token))
    throw new ConfigurationError(
      `kubeconfig is "in-cluster", but this process runs in no pod with a service account: ` +
        `${host ? `there is no ${token}` : "KUBERNETES_SERVICE_HOST is not set"}. Nothing was changed. Let the pod ` +
        "mount its service account's token (automountServiceAccountToken), or name a kubeconfig.",
    );
  config.loadFromCluster(root);
}

function isFallback(config: KubeConfig): boolean {
  return (
    config.getCurrentContext() === CLIENT_FALLBACK.context &&
    config.getCurrentCluster()?.server === CLIENT_FALLBACK.server
  );
}

function describeDefault(): string {
  const named = process.env["KUBECONFIG"];
  return named ? `The kubeconfig ${named} (from KUBECONFIG)` : "The kubeconfig ~/.kube/config";
}

/** Never the error's own text, which quotes the lines around the mistake, tokens and all. */
function whyUnreadable(error: unknown): string {
  const { code, message = "", mark } = error as { code?: unknown; message?: string; mark?: { line?: number } };
  if (code === "ENOENT") return "it, or a file that it names, does not exist";
  if (typeof code === "string") return code;
  if (mark?.line !== undefined) return `it is not YAML, at line ${mark.line + 1}`;
  return MISSING_ENTRY.test(message) ? message : "it is not what a kubeconfig should be";
}

function authentication(config: KubeConfig, signal: AbortSignal): Client.SecurityAuthentication {
  return {
    getName: () => config.getName(),
    applySecurityAuthentication: async (request) => {
      request.setSignal(signal);
      try {
        await config.applySecurityAuthentication(request);
      } catch (error) {
        throw new CredentialsUnavailable(whyNoCredentials(config, error));
      }
    },
  };
}

/** A plugin's own words may hold a token. */
function whyNoCredentials(config: KubeConfig, error: unknown): string {
  const user = config.getCurrentUser();
  const { code, path } = error as NodeJS.ErrnoException;
  const command = (user?.exec as { command?: string } | null | undefined)?.command;
  if (command !== undefined)
    return `the plugin ${command} of user "${user?.name}" ${code === "ENOENT" ? "is not installed" : "failed"}`;
  if (code !== undefined) return `${path ?? "a file that it names"} cannot be read (${code})`;
  return `the credentials of user "${user?.name ?? "(none)"}" cannot be used`;
}
