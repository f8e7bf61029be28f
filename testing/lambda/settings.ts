/** What a version of a function is, and how Lambda describes it. */

/** What `UpdateFunctionConfiguration`, `UpdateFunctionCode` and `PublishVersion` are about. */
export interface Settings {
  /** A CommonJS module, by its path, and what of it is called. Stands for the uploaded code. */
  readonly code: { readonly file: string; readonly handler: string };
  readonly variables: Readonly<Record<string, string>>;
  readonly role: string;
  /** In seconds. */
  readonly timeout: number;
  readonly memory: number;
  readonly description: string;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html */
export type State = "Pending" | "Active" | "Inactive" | "Failed";
export type UpdateStatus = "InProgress" | "Successful" | "Failed";

/** Why something failed. https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html */
export interface Reason {
  readonly code: string;
  readonly reason: string;
}

/** $LATEST, or a published version. */
export interface Version {
  /** `$LATEST` or a number. */
  readonly name: string;
  settings: Settings;
  state: State;
  stateReason?: Reason;
  update: UpdateStatus;
  updateReason?: Reason;
  revisionId: string;
  lastModified: string;
}

export interface Alias {
  readonly name: string;
  version: string;
  /** Version to share, from 0 to 1; one at most. */
  weights: Readonly<Record<string, number>>;
  description: string;
  revisionId: string;
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html */
export interface Provisioned {
  readonly requested: number;
  status: "IN_PROGRESS" | "READY" | "FAILED";
  reason?: string;
}

/** Two files that are the same code have the same hash. */
export function codeSha256({ file, handler }: Settings["code"], sha256: (text: string) => string): string {
  return sha256(`${file}\0${handler}`);
}

/** @param withStates lists leave them out: https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html */
export function describeVersion(
  functionName: string,
  arn: string,
  version: Version,
  sha256: (text: string) => string,
  withStates: boolean,
): object {
  const { settings, name } = version;
  return {
    FunctionName: functionName,
    FunctionArn: `${arn}:${name}`,
    Runtime: "nodejs22.x",
    Role: settings.role,
    Handler: settings.code.handler,
    CodeSize: 1024,
    Description: settings.description,
    Timeout: settings.timeout,
    MemorySize: settings.memory,
    LastModified: version.lastModified,
    CodeSha256: codeSha256(settings.code, sha256),
    Version: name,
    VpcConfig: { SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false },
    Environment: { Variables: settings.variables },
    TracingConfig: { Mode: "PassThrough" },
    RevisionId: version.revisionId,
    PackageType: "Zip",
    Architectures: ["x86_64"],
    EphemeralStorage: { Size: 512 },
    SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
    LoggingConfig: { LogFormat: "Text", LogGroup: `/aws/lambda/${functionName}` },
    ...(withStates
      ? {
          State: version.state,
          ...(version.stateReason === undefined
            ? {}
            : { StateReason: version.stateReason.reason, StateReasonCode: version.stateReason.code }),
          LastUpdateStatus: version.update,
          ...(version.updateReason === undefined
            ? {}
            : {
                LastUpdateStatusReason: version.updateReason.reason,
                LastUpdateStatusReasonCode: version.updateReason.code,
              }),
        }
      : {}),
  };
}

export function describeAlias(arn: string, { name, version, weights, description, revisionId }: Alias): object {
  return {
    AliasArn: `${arn}:${name}`,
    Name: name,
    FunctionVersion: version,
    Description: description,
    ...(Object.keys(weights).length === 0 ? {} : { RoutingConfig: { AdditionalVersionWeights: weights } }),
    RevisionId: revisionId,
  };
}
