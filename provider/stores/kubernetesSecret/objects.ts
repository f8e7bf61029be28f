/** A Secret, as far as this store looks at it. */

export interface Secret {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly type?: string;
  readonly immutable?: boolean;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** As the API server returned it, with the marks of its state. What else it has goes along when it is replaced. */
export interface FoundSecret extends Secret {
  readonly metadata: Secret["metadata"] & {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: Date;
    readonly finalizers?: readonly string[];
  };
}
