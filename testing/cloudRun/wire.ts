/** The messages as gRPC gives and takes them here: 64-bit numbers as texts, enums by name. */

export interface SecretRef {
  readonly secret: string;
  readonly version?: string;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueSource?: { readonly secretKeyRef?: SecretRef | null } | null;
}

export interface Container {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secret: string;
    readonly items?: readonly { readonly path: string; readonly version?: string }[];
  } | null;
}

export interface Template {
  readonly revision?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly containers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly serviceAccount?: string;
}

export type TrafficType = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" | "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

export interface TrafficTarget {
  readonly type?: TrafficType | "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED";
  readonly revision?: string;
  readonly percent?: number;
  readonly tag?: string;
}

export type ConditionState = "CONDITION_PENDING" | "CONDITION_RECONCILING" | "CONDITION_FAILED" | "CONDITION_SUCCEEDED";

export interface Condition {
  readonly type: string;
  readonly state: ConditionState;
  readonly message?: string;
  readonly reason?: string;
  readonly revisionReason?: string;
}

export interface ServiceMessage {
  readonly name?: string;
  readonly etag?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly template?: Template | null;
  readonly traffic?: readonly TrafficTarget[];
}

export interface Request {
  readonly name?: string;
  readonly parent?: string;
  readonly service?: ServiceMessage | null;
  readonly updateMask?: { readonly paths?: readonly string[] } | null;
  readonly validateOnly?: boolean;
  readonly pageSize?: number;
  readonly pageToken?: string;
}
