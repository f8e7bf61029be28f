/** One record of the audit trail. It never contains a secret value. */
export interface AuditEvent {
  /** Version of this record's shape. */
  readonly schema: 1;
  /** The secret's identity and the event's place in that secret's chain, 1 for the first. */
  readonly identity: string;
  readonly seq: number;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly secret: string;
  readonly step: string;
  readonly version: number | null;
  readonly result: "ok" | "failed" | "put-off" | "refused";
  /** Why: the reason of the rotation, or what held the step back. */
  readonly reason: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
  /** Who: `user@host`, the stack and the id of the run. */
  readonly actor: { readonly user: string; readonly host: string; readonly stack: string; readonly run: string };
  /** SHA-256 of the record before, in hexadecimal; 64 zeros for the first. */
  readonly prev: string;
  /** SHA-256 of this record without this field. */
  readonly hash: string;
}
