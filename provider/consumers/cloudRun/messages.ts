/** The API's messages as the client gives and takes them, as far as they are looked at. The rest is handed back as it is. */

export interface SecretRef {
  readonly secret?: string;
  /** A number, an alias or `latest`. */
  readonly version?: string;
}

export interface EnvVar {
  readonly name?: string;
  readonly valueSource?: { readonly secretKeyRef?: SecretRef | null } | null;
}

export interface Container {
  readonly env?: readonly EnvVar[];
}

export interface VolumeItem {
  readonly path?: string;
  readonly version?: string;
}

export interface Volume {
  readonly name?: string;
  readonly secret?: { readonly secret?: string; readonly items?: readonly VolumeItem[] } | null;
}

/** What of a template and of a revision is the same. */
export interface Workload {
  readonly containers?: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Template extends Workload {
  readonly revision?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type TrafficType =
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED"
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

export interface TrafficTarget {
  readonly type?: TrafficType;
  /** Its short name. */
  readonly revision?: string;
  readonly percent?: number;
  readonly tag?: string;
}

export interface TrafficStatus extends TrafficTarget {
  readonly uri?: string;
}

export interface Condition {
  readonly type?: string;
  readonly state?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly revisionReason?: string;
}

export interface Service {
  readonly name?: string;
  readonly etag?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly template?: Template;
  readonly traffic?: readonly TrafficTarget[];
  readonly trafficStatuses?: readonly TrafficStatus[];
  readonly latestReadyRevision?: string;
  readonly latestCreatedRevision?: string;
  readonly terminalCondition?: Condition | null;
  readonly conditions?: readonly Condition[];
  readonly reconciling?: boolean;
}

export interface Revision extends Workload {
  readonly name?: string;
  readonly conditions?: readonly Condition[];
  readonly reconciling?: boolean;
  readonly logUri?: string;
}

/** `orders-00003-abc` of `projects/p/locations/r/services/orders/revisions/orders-00003-abc`. */
export function shortName(name: string | undefined): string {
  return (name ?? "").slice((name ?? "").lastIndexOf("/") + 1);
}
