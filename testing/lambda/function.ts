/** One function of the emulator: $LATEST, published versions, aliases, and the rules by which they change. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { LambdaError } from "./fault";
import {
  codeSha256,
  describeAlias,
  describeVersion,
  type Alias,
  type Provisioned,
  type Reason,
  type Settings,
  type Version,
} from "./settings";

const LATEST = "$LATEST";
/** https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html */
const LARGEST_PAGE = 50;
/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
const MOST_BYTES_OF_VARIABLES = 4096;
const QUALIFIED = /^(.*):([^:]+)$/;

/** How states go on, which is for the test to say: never by time. */
export interface Progress {
  /** How often $LATEST is described as `InProgress` after an update; `Infinity`: until it is set. @default 1 */
  updateLooks: number;
  /** How often a new version is described as `Pending`. @default 0 */
  pendingLooks: number;
  /** How often provisioned concurrency is described as `IN_PROGRESS` after the alias was moved. @default 1 */
  provisionLooks: number;
  /** How the next update ends, in place of `Successful`. */
  nextUpdateFails?: Reason;
  /** How the next version ends, in place of `Active`. */
  nextVersionFails?: Reason;
  /** Why provisioned concurrency cannot be had for the next version that an alias names. */
  nextProvisionFails?: string;
}

type Body = Readonly<Record<string, unknown>>;

export class EmulatedFunction {
  readonly arn: string;
  readonly aliases = new Map<string, Alias>();
  readonly provisioned = new Map<string, Provisioned>();
  readonly progress: Progress = { updateLooks: 1, pendingLooks: 0, provisionLooks: 1 };
  /** For `ListVersionsByFunction`, where fewer are asked for than AWS's most. */
  pageSize = LARGEST_PAGE;
  /** How many bytes all published code may have, in versions; AWS counts bytes. */
  mostVersions = Infinity;
  private readonly latest: Version;
  private readonly published = new Map<string, Version>();
  private readonly looks = new Map<string, number>();
  private counter = 0;
  private lastNumber = 0;

  constructor(
    readonly name: string,
    settings: Settings,
    { region, account }: { readonly region: string; readonly account: string },
  ) {
    this.arn = `arn:aws:lambda:${region}:${account}:function:${name}`;
    this.latest = this.newVersion(LATEST, settings);
  }

  /** A version by its number, `$LATEST`, or nothing. */
  version(name: string): Version {
    const found = name === LATEST ? this.latest : this.published.get(name);
    if (found !== undefined) return found;
    throw new LambdaError("ResourceNotFoundException", `Function not found: ${this.arn}:${name}`);
  }

  versionNames(): string[] {
    return [...this.published.keys()];
  }

  /** By an alias too. */
  versionsBehind(qualifier: string): Readonly<Record<string, number>> {
    const alias = this.aliases.get(qualifier);
    if (alias === undefined) return { [this.version(qualifier).name]: 1 };
    const others = Object.entries(alias.weights);
    const rest = others.reduce((left, [, weight]) => left - weight, 1);
    return Object.fromEntries([[alias.version, rest], ...others]);
  }

  /** As a deployment does it. @returns the number. */
  release(alias: string, change: Partial<Settings> = {}): string {
    this.change(change);
    const { Version: version } = this.publish({}) as { Version: string };
    const present = this.aliases.get(alias);
    if (present === undefined)
      this.aliases.set(alias, { name: alias, version, weights: {}, description: "", revisionId: this.revision() });
    else Object.assign(present, { version, weights: {}, revisionId: this.revision() });
    return version;
  }

  /** An update of $LATEST by somebody else that is over already. */
  change(change: Partial<Settings>): void {
    this.latest.settings = { ...this.latest.settings, ...change };
    this.touch(this.latest);
  }

  // --- operations -----------------------------------------------------------------------------------------------

  /** https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html */
  getConfiguration(qualifier = LATEST): object {
    const version = this.version(this.aliases.get(qualifier)?.version ?? qualifier);
    this.goOn(version);
    return this.describe(version, true);
  }

  /**
   * https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html; refused while another one is in
   * progress: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
   */
  updateConfiguration(body: Body): object {
    const { latest } = this;
    this.assertRevision(body, latest.revisionId, "function");
    this.assertNotBusy(latest);
    const { Environment, Description, Timeout, MemorySize, Role } = body;
    const variables = (Environment as { Variables?: Record<string, string> } | undefined)?.Variables;
    if (variables !== undefined) this.assertSmall(variables);
    latest.settings = {
      ...latest.settings,
      ...(variables === undefined ? {} : { variables }),
      ...(Description === undefined ? {} : { description: Description as string }),
      ...(Timeout === undefined ? {} : { timeout: Timeout as number }),
      ...(MemorySize === undefined ? {} : { memory: MemorySize as number }),
      ...(Role === undefined ? {} : { role: Role as string }),
    };
    latest.update = "InProgress";
    delete latest.updateReason;
    this.touch(latest);
    this.looks.set(LATEST, this.progress.updateLooks);
    return this.describe(latest, true);
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html */
  publish(body: Body): object {
    const { latest } = this;
    this.assertRevision(body, latest.revisionId, "function");
    this.assertNotBusy(latest);
    const hash = codeSha256(latest.settings.code, sha256);
    const wanted = body["CodeSha256"] as string | undefined;
    if (wanted !== undefined && wanted !== hash)
      throw new LambdaError(
        "InvalidParameterValueException",
        `CodeSHA256 (${wanted}) is different from current CodeSHA256 in $LATEST (${hash}). Please try again with the CodeSHA256 in $LATEST.`,
      );
    // "Lambda doesn't publish a version if the function's configuration and code haven't changed since the last version."
    const last = this.published.get(String(this.lastNumber));
    if (last !== undefined && isSame(last.settings, latest.settings)) return this.describe(last, true);
    if (this.published.size >= this.mostVersions)
      throw new LambdaError("CodeStorageExceededException", "Code storage limit exceeded.");
    this.lastNumber++;
    const description = (body["Description"] as string | undefined) ?? latest.settings.description;
    const version = this.newVersion(String(this.lastNumber), { ...latest.settings, description });
    const { pendingLooks, nextVersionFails } = this.progress;
    if (pendingLooks > 0 || nextVersionFails !== undefined) {
      version.state = "Pending";
      version.stateReason = { code: "Creating", reason: "The function is being created." };
      this.looks.set(version.name, pendingLooks);
    }
    this.published.set(version.name, version);
    return this.describe(version, true);
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html */
  listVersions(marker: string | undefined, maxItems = LARGEST_PAGE): object {
    const all = [this.latest, ...this.published.values()];
    const from = Number(marker ?? 0);
    const until = from + Math.min(maxItems, this.pageSize, LARGEST_PAGE);
    return {
      Versions: all.slice(from, until).map((version) => this.describe(version, false)),
      ...(until < all.length ? { NextMarker: String(until) } : {}),
    };
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html */
  getAlias(name: string): object {
    return describeAlias(this.arn, this.alias(name));
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_ListAliases.html */
  listAliases(): object {
    return { Aliases: [...this.aliases.values()].map((alias) => describeAlias(this.arn, alias)) };
  }

  /**
   * https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html; what two versions behind one alias must have in
   * common: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
   */
  updateAlias(name: string, body: Body): object {
    const alias = this.alias(name);
    this.assertRevision(body, alias.revisionId, "alias");
    const main = this.version((body["FunctionVersion"] as string | undefined) ?? alias.version);
    const routing = body["RoutingConfig"] as { AdditionalVersionWeights?: Record<string, number> } | undefined;
    const weights = routing === undefined ? alias.weights : (routing.AdditionalVersionWeights ?? {});
    const others = Object.entries(weights);
    if (others.length > 1) throw invalid("An alias can have one additional version at most.");
    for (const [other, weight] of others) {
      if (weight < 0 || weight > 1) throw invalid("A weight must be from 0.0 to 1.0.");
      if (main.name === LATEST || other === LATEST)
        throw invalid("$LATEST is not supported for an alias with weights.");
      if (other === main.name) throw invalid("The additional version must be another one.");
      if (this.version(other).settings.role !== main.settings.role)
        throw invalid("Both versions must have the same execution role.");
    }
    const moved = main.name !== alias.version;
    Object.assign(alias, { version: main.name, weights: { ...weights }, revisionId: this.revision() });
    if (moved) this.provisionAnew(name);
    return describeAlias(this.arn, alias);
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html */
  delete(qualifier: string | undefined): void {
    if (qualifier === undefined) throw new LambdaError("ServiceException", "The emulator deletes no whole function.");
    if (qualifier === LATEST) throw invalid("$LATEST version cannot be deleted without deleting the function.");
    const referring = [...this.aliases.values()].filter(
      ({ version, weights }) => version === qualifier || Object.hasOwn(weights, qualifier),
    );
    if (referring.length > 0)
      throw new LambdaError(
        "ResourceConflictException",
        `Unable to delete version because the following aliases reference it: [${referring.map(({ name }) => name).join(", ")}]`,
      );
    this.version(qualifier);
    this.published.delete(qualifier);
  }

  /** https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html */
  getProvisioned(qualifier: string): object {
    const found = this.provisioned.get(qualifier);
    if (found === undefined)
      throw new LambdaError(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
      );
    const key = `provisioned:${qualifier}`;
    const left = this.looks.get(key) ?? 0;
    if (found.status === "IN_PROGRESS" && left <= 0) {
      const reason = this.progress.nextProvisionFails;
      delete this.progress.nextProvisionFails;
      Object.assign(found, reason === undefined ? { status: "READY" } : { status: "FAILED", reason });
    } else this.looks.set(key, left - 1);
    const ready = found.status === "READY" ? found.requested : 0;
    return {
      RequestedProvisionedConcurrentExecutions: found.requested,
      AvailableProvisionedConcurrentExecutions: ready,
      AllocatedProvisionedConcurrentExecutions: ready,
      Status: found.status,
      ...(found.reason === undefined ? {} : { StatusReason: found.reason }),
    };
  }

  /**
   * Whether a version may be invoked. An inactive one is started again, and this invocation fails:
   * https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
   */
  assertInvocable(version: Version): void {
    if (version.state === "Active") return;
    if (version.state === "Inactive") {
      version.state = "Pending";
      this.looks.set(version.name, 0);
    } else if (version.state === "Pending") this.goOn(version);
    throw new LambdaError(
      "ResourceConflictException",
      `The operation cannot be performed at this time. The function is currently in the following state: ${version.state}`,
    );
  }

  // --- how states go on -----------------------------------------------------------------------------------------

  /** Each look takes it further. */
  private goOn(version: Version): void {
    const left = this.looks.get(version.name) ?? 0;
    if (left > 0) {
      this.looks.set(version.name, left - 1);
      return;
    }
    if (version.update === "InProgress") {
      const failure = this.progress.nextUpdateFails;
      delete this.progress.nextUpdateFails;
      version.update = failure === undefined ? "Successful" : "Failed";
      if (failure !== undefined) version.updateReason = failure;
      // Seen at AWS: the revision changes again when an update is over (https://github.com/aws/aws-sdk/issues/377).
      this.touch(version);
    }
    if (version.state === "Pending") {
      const failure = this.progress.nextVersionFails;
      delete this.progress.nextVersionFails;
      version.state = failure === undefined ? "Active" : "Failed";
      delete version.stateReason;
      if (failure !== undefined) version.stateReason = failure;
    }
  }

  private provisionAnew(alias: string): void {
    const found = this.provisioned.get(alias);
    if (found === undefined) return;
    found.status = "IN_PROGRESS";
    delete found.reason;
    this.looks.set(`provisioned:${alias}`, this.progress.provisionLooks);
  }

  // --- rules ----------------------------------------------------------------------------------------------------

  private assertRevision(body: Body, revision: string, what: string): void {
    if (body["RevisionId"] === undefined || body["RevisionId"] === revision) return;
    throw new LambdaError(
      "PreconditionFailedException",
      `The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id for your ${what}`,
    );
  }

  private assertNotBusy(version: Version): void {
    if (version.update !== "InProgress" && version.state !== "Pending") return;
    throw new LambdaError(
      "ResourceConflictException",
      `The operation cannot be performed at this time. An update is in progress for resource: ${this.arn}`,
    );
  }

  /** AWS quotes the variables here, which is why no message of AWS may be passed on. */
  private assertSmall(variables: Readonly<Record<string, string>>): void {
    const measured = JSON.stringify(variables);
    if (Buffer.byteLength(measured) <= MOST_BYTES_OF_VARIABLES) return;
    throw invalid(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${measured}`,
    );
  }

  private alias(name: string): Alias {
    const found = this.aliases.get(name);
    if (found !== undefined) return found;
    throw new LambdaError("ResourceNotFoundException", `Alias not found: ${this.arn}:${name}`);
  }

  private describe(version: Version, withStates: boolean): object {
    return describeVersion(this.name, this.arn, version, sha256, withStates);
  }

  private newVersion(name: string, settings: Settings): Version {
    return {
      name,
      settings,
      state: "Active",
      update: "Successful",
      revisionId: this.revision(),
      lastModified: "2026-01-01T00:00:00.000+0000",
    };
  }

  private touch(version: Version): void {
    version.revisionId = this.revision();
  }

  private revision(): string {
    this.counter++;
    return `00000000-0000-4000-8000-${String(this.counter).padStart(12, "0")}`;
  }
}

/** Descriptions do not count: https://github.com/aws/serverless-application-model/issues/2786 */
function isSame({ description: _a, ...a }: Settings, { description: _b, ...b }: Settings): boolean {
  return isDeepStrictEqual(a, b);
}

function invalid(message: string): LambdaError {
  return new LambdaError("InvalidParameterValueException", message);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/** `orders`, an ARN, or either with `:qualifier`. */
export function functionNameOf(text: string): string {
  const whole = decodeURIComponent(text);
  const [, , , , , , name] = whole.split(":");
  if (whole.startsWith("arn:") && name !== undefined) return name;
  return QUALIFIED.exec(whole)?.[1] ?? whole;
}
