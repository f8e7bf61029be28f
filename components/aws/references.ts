/** How those who know nothing of this library name the secret. No secret value in it. */

/** Each is a part of a manifest or definition: what names the secret. All read `AWSCURRENT`. */
export interface AwsReferences<Field extends string = string> {
  /** External Secrets Operator: part of an ExternalSecret's `spec`. */
  readonly externalSecret:
    | { readonly dataFrom: readonly { readonly extract: { readonly key: string } }[] }
    | { readonly data: readonly { readonly secretKey: string; readonly remoteRef: { readonly key: string } }[] };
  /** Secrets Store CSI driver with AWS's provider: an entry of `objects`. One file with all, and one for each known field. */
  readonly secretProviderClass: {
    readonly objectName: string;
    readonly objectType: "secretsmanager";
    readonly jmesPath?: readonly { readonly path: string; readonly objectAlias: string }[];
  };
  /** ECS: `valueFrom` of a container's `secrets`. It is read when the task starts, and never again. */
  readonly ecs: { readonly valueFrom: string; readonly fields: Readonly<Record<Field, string>> };
  /** AWS Parameters and Secrets Lambda Extension: the path of the request, and how long it keeps what it has read. */
  readonly lambda: { readonly path: string; readonly environment: { readonly SECRETS_MANAGER_TTL: string } };
}

/**
 * @param fields those that are named one by one; `null` where readers get one text
 * @param ttlSeconds for the Lambda extension, whose default and maximum is 300
 */
export function awsReferences<Field extends string>(
  { name, arn }: { readonly name: string; readonly arn: string },
  fields: readonly Field[] | null,
  ttlSeconds: number,
): AwsReferences<Field> {
  const named = fields ?? [];
  return {
    externalSecret:
      fields === null
        ? { data: [{ secretKey: "value", remoteRef: { key: name } }] }
        : { dataFrom: [{ extract: { key: name } }] },
    secretProviderClass: {
      objectName: name,
      objectType: "secretsmanager",
      ...(named.length > 0 ? { jmesPath: named.map((field) => ({ path: jmesPath(field), objectAlias: field })) } : {}),
    },
    ecs: {
      valueFrom: arn,
      // arn:json-key:version-stage:version-id. Of the last two, nothing means AWSCURRENT.
      fields: Object.fromEntries(named.map((field) => [field, `${arn}:${field}::`])) as Record<Field, string>,
    },
    lambda: {
      path: `/secretsmanager/get?secretId=${encodeURIComponent(name)}`,
      environment: { SECRETS_MANAGER_TTL: String(ttlSeconds) },
    },
  };
}

/** JMESPath reads a name with other characters than these only in quotes. */
function jmesPath(field: string): string {
  return /^[A-Za-z_]\w*$/.test(field) ? field : JSON.stringify(field);
}
