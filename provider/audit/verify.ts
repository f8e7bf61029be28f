/** Finds out what was done to the audit trail of one secret. Pure. */
import type { AuditEvent } from "../contracts/audit";
import { GENESIS_HASH, hashEvent, type ChainHead } from "./chain";

export interface AuditFinding {
  /** The number of the event in its chain, where it is known. */
  readonly seq?: number;
  /** Where it was met: 1 for the first of the events that were given. Absent for what is missing. */
  readonly position?: number;
  /**
   * `changed`: the content does not fit its hash, or the hash is not the one that the next event or the ledger knows.
   * `removed`: missing in the middle. `truncated`: missing at the end. `reordered`: after one with a higher number.
   * `unreadable`: not an event in the form in which events are written. `foreign`: does not belong there: of another
   * secret, there a second time, or unknown to the ledger.
   */
  readonly problem: "changed" | "removed" | "reordered" | "truncated" | "unreadable" | "foreign";
  /** One sentence. */
  readonly message: string;
}

export interface VerifyOptions {
  /**
   * The head that the secret's ledger knows. Without it a chain that lost its end looks like a shorter one, and one
   * that was rewritten from some event to its end looks like a true one.
   */
  readonly expectedHead?: ChainHead;
  /** Whose chain it should be; by default that of the first event. */
  readonly identity?: string;
}

/**
 * @param events the chain of one secret, in the order in which it was written, `null` for what cannot be read, as an
 * `AuditSink` returns it.
 * @returns everything that is wrong with it; empty for a chain that is whole.
 */
export function verifyChain(
  events: readonly (AuditEvent | null)[],
  options: VerifyOptions = {},
): readonly AuditFinding[] {
  const findings: AuditFinding[] = [];
  const chain = collectChain(events, options.identity, findings);
  checkLinks(chain, options.expectedHead, findings);
  checkGaps(chain, options.expectedHead, findings);
  return findings;
}

/** The events by number, each the first of its number. Reports what cannot be one of them. */
function collectChain(
  events: readonly (AuditEvent | null)[],
  identity: string | undefined,
  findings: AuditFinding[],
): ReadonlyMap<number, AuditEvent> {
  const expectedIdentity = identity ?? events.find((event) => event !== null)?.identity;
  const chain = new Map<number, AuditEvent>();
  let highest = 0;
  for (const [index, event] of events.entries()) {
    const position = index + 1;
    if (event === null) {
      const message = `The record at position ${position} is not an audit event in the form in which they are written.`;
      findings.push({ position, problem: "unreadable", message });
      continue;
    }
    const { seq } = event;
    if (event.identity !== expectedIdentity) {
      const message = `Event ${seq} at position ${position} belongs to another secret (identity ${event.identity}).`;
      findings.push({ seq, position, problem: "foreign", message });
      continue;
    }
    const first = chain.get(seq);
    if (first !== undefined) {
      const how = first.hash === event.hash ? "a second time" : "a second time, with another content";
      findings.push({ seq, position, problem: "foreign", message: `Event ${seq} is there ${how}.` });
      continue;
    }
    if (seq < highest) {
      findings.push({ seq, position, problem: "reordered", message: `Event ${seq} comes after event ${highest}.` });
    }
    if (hashEvent(event) !== event.hash) {
      findings.push({
        seq,
        position,
        problem: "changed",
        message: `The content of event ${seq} does not fit its hash.`,
      });
    }
    chain.set(seq, event);
    highest = Math.max(highest, seq);
  }
  return chain;
}

/** Each event's hash must be the one that the next event names, and the last one's the one that the ledger names. */
function checkLinks(
  chain: ReadonlyMap<number, AuditEvent>,
  head: ChainHead | undefined,
  findings: AuditFinding[],
): void {
  const report = (seq: number, problem: AuditFinding["problem"], message: string) =>
    findings.push({ seq, problem, message });
  for (const [seq, event] of chain) {
    const before = chain.get(seq - 1);
    if (seq === 1 && event.prev !== GENESIS_HASH) {
      report(seq, "changed", "Event 1 names an event before it, though it is the first.");
    } else if (before !== undefined && event.prev !== before.hash) {
      report(before.seq, "changed", `Event ${before.seq} is not the one that event ${seq} was written after.`);
    }
    if (head === undefined) continue;
    if (seq === head.seq && event.hash !== head.hash) {
      report(seq, "changed", `Event ${seq} is not the one that the ledger knows as the newest.`);
    } else if (seq > head.seq) {
      report(seq, "foreign", `Event ${seq} is unknown to the ledger, whose newest event is ${head.seq}.`);
    }
  }
}

function checkGaps(
  chain: ReadonlyMap<number, AuditEvent>,
  head: ChainHead | undefined,
  findings: AuditFinding[],
): void {
  const present = [...chain.keys()].sort((a, b) => a - b);
  let expected = 1;
  for (const seq of present) {
    if (seq > expected) {
      findings.push({ seq: expected, problem: "removed", message: `${nameRange(expected, seq - 1)} missing.` });
    }
    expected = seq + 1;
  }
  if (head !== undefined && expected <= head.seq) {
    const message = `${nameRange(expected, head.seq)} missing at the end: the ledger knows ${head.seq} events.`;
    findings.push({ seq: expected, problem: "truncated", message });
  }
}

function nameRange(first: number, last: number): string {
  return first === last ? `Event ${first} is` : `Events ${first} to ${last} are`;
}
