/**
 * The Secret that holds the ledger and the label of "current" in one document, changed by compare-and-swap.
 *
 * The API server's resourceVersion guards each write; the revision that the library sees is in the document, so that
 * somebody who only adds an annotation to the Secret makes no conflict.
 */
import { randomBytes } from "node:crypto";
import { staleRevision } from "../../contracts/refusals";
import type { Revision, VersionRef } from "../../contracts/store";
import { ConflictError, StateError } from "../../lifecycle/errors";
import { assertFits, decode, encode } from "./content";
import type { Names } from "./names";
import type { FoundSecret } from "./objects";
import type { Secrets } from "./secrets";

const KEY = "ledger.json";
const NOTHING: Revision = "0";
const WRITE_ATTEMPTS = 5;

/** The label of "current". */
export interface Label {
  readonly ref: VersionRef;
  readonly epoch: number;
  /** The uid of the immutable Secret that it names: one with this uid still has the content that was put there. */
  readonly uid: string;
  /** Whether a Secret with the stable name follows it. */
  readonly stable: boolean;
}

export interface LedgerDocument {
  readonly revision: Revision;
  /** Absent where a label was set before the first commit. */
  readonly body?: unknown;
  readonly current: Label | null;
  /** The fence of the promotion that made this revision: the same promotion again finds that it was done. */
  readonly promotedFrom?: Revision;
}

export type Change = Omit<LedgerDocument, "revision">;

export interface Head {
  readonly document: LedgerDocument;
  readonly secret: FoundSecret | undefined;
}

export class LedgerSecret {
  constructor(
    private readonly secrets: Secrets,
    private readonly names: Names,
    private readonly labels: Readonly<Record<string, string>>,
    private readonly location: string,
  ) {}

  async head(): Promise<Head> {
    const secret = await this.secrets.get(this.names.ledger);
    return secret === undefined
      ? { document: { revision: NOTHING, current: null }, secret }
      : { document: this.decode(secret), secret };
  }

  async headAt(expected: Revision): Promise<Head> {
    const head = await this.head();
    this.assertAt(head, expected);
    return head;
  }

  assertAt({ document: { revision } }: Head, expected: Revision): void {
    if (revision !== expected) throw staleRevision(this.location, expected, revision);
  }

  /** @throws ConflictError when the document is not the one in `head` any more. */
  async write(head: Head, change: Change): Promise<Revision> {
    const next: LedgerDocument = { ...change, revision: revisionAfter(head.document.revision) };
    let base = head;
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
      if (await this.tryToWrite(base.secret, next)) return next.revision;
      base = await this.head();
      // It took effect, only the answer was lost.
      if (base.document.revision === next.revision) return next.revision;
      this.assertAt(base, head.document.revision);
      // Somebody changed the Secret around the document: once more, on top of that.
    }
    throw new ConflictError(
      `The Secret "${this.names.ledger}" of ${this.location} was changed ${WRITE_ATTEMPTS} times while the ledger was ` +
        "written, though not the ledger in it. Nothing was changed by this run. Stop what keeps changing it, then run again.",
    );
  }

  private async tryToWrite(secret: FoundSecret | undefined, document: LedgerDocument): Promise<boolean> {
    const text = JSON.stringify(document);
    assertFits(Buffer.byteLength(text), "the ledger");
    const data = { [KEY]: encode(text) };
    if (secret !== undefined) return (await this.secrets.replace({ ...secret, data })) !== "changed";
    const metadata = { name: this.names.ledger, labels: { ...this.labels, ...this.names.labels("ledger") } };
    return (await this.secrets.create({ metadata, type: "Opaque", data })) !== "exists";
  }

  private decode(secret: FoundSecret): LedgerDocument {
    const where = `The Secret "${this.names.ledger}" of ${this.location}`;
    if (!this.names.isOurs(secret.metadata, "ledger"))
      throw new StateError(
        `${where} is not one of this package: it has not its labels. Nothing was changed. Give the secret another \`name\`, or delete that Secret if nobody needs it.`,
      );
    const text = secret.data?.[KEY];
    try {
      const document = JSON.parse(decode(text ?? "")) as Partial<LedgerDocument>;
      if (typeof document.revision === "string" && document.current !== undefined) return document as LedgerDocument;
    } catch {
      // Said below; what the parser says may quote the text.
    }
    throw new StateError(
      `${where} holds no ledger any more: its "${KEY}" was changed by hand. Nothing was changed. Restore it from a backup.`,
    );
  }
}

/** The mark tells a revision from one of the same number that was made by another run, or after a restore. */
function revisionAfter(revision: Revision): Revision {
  return `${Number.parseInt(revision, 10) + 1}-${randomBytes(6).toString("hex")}`;
}
