/** How those who know nothing of this library name the secret. No secret value in it. */

export interface GcpPlace {
  readonly project: string;
  readonly name: string;
  /** Of a regional secret. */
  readonly location?: string | undefined;
}

/** Each is a part of a manifest or definition: what names the secret. */
export interface GcpReferences {
  /** External Secrets Operator: part of an ExternalSecret's `spec`. */
  readonly externalSecret:
    | { readonly dataFrom: readonly { readonly extract: { readonly key: string } }[] }
    | { readonly data: readonly { readonly secretKey: string; readonly remoteRef: { readonly key: string } }[] };
  /** Secrets Store CSI driver with Google's provider: an entry of `secrets`. */
  readonly secretProviderClass: { readonly resourceName: string; readonly path: string };
  /** Cloud Run: `valueSource` of an environment variable, read when an instance starts. Absent for a regional secret. */
  readonly cloudRun?: { readonly secretKeyRef: { readonly secret: string; readonly version: string } };
  /** The resource name of the version that is current, for Google's client libraries. */
  readonly resourceName: string;
}

/** What readers follow: a promotion makes the newest version the right one. */
const CURRENT = "latest";

/** @param isText whether readers get one text instead of a JSON object */
export function gcpReferences({ project, name, location }: GcpPlace, isText: boolean): GcpReferences {
  const secret = `projects/${project}/${location === undefined ? "" : `locations/${location}/`}secrets/${name}`;
  const resourceName = `${secret}/versions/${CURRENT}`;
  return {
    externalSecret: isText
      ? { data: [{ secretKey: "value", remoteRef: { key: name } }] }
      : { dataFrom: [{ extract: { key: name } }] },
    secretProviderClass: { resourceName, path: name },
    ...(location === undefined ? { cloudRun: { secretKeyRef: { secret, version: CURRENT } } } : {}),
    resourceName,
  };
}
