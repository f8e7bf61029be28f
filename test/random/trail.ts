/** Promise 5, looked at as the trail grows: the links with each event, and every hash once more at the end. */
import { GENESIS_HASH } from "../../provider/audit/chain";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import type { AuditEvent } from "../../provider/contracts/audit";
import type { LedgerState } from "../../provider/lifecycle/ledger";

/** The chain of one secret in one sink. */
interface Chain {
  seq: number;
  hash: string;
  /** What went well, by version. */
  readonly steps: Map<number, string[]>;
}

export class WatchedTrail {
  private position = 0;
  private readonly chains = new Map<string, Chain>();

  constructor(readonly sink: string) {}

  /** The events that were new when it was looked at last, and what was wrong with them. */
  fresh: readonly AuditEvent[] = [];
  wrong: readonly string[] = [];

  look(): readonly AuditEvent[] {
    this.fresh = memoryAuditTrail(this.sink).events.slice(this.position) as AuditEvent[];
    this.position += this.fresh.length;
    this.wrong = this.fresh.flatMap((event) => this.follow(event));
    return this.fresh;
  }

  private follow(event: AuditEvent): string[] {
    const chain = this.chain(event.identity);
    const wrong: string[] = [];
    if (event.seq !== chain.seq + 1) wrong.push(`event ${event.seq} comes after event ${chain.seq}`);
    if (event.prev !== chain.hash) wrong.push(`event ${event.seq} was not written after event ${chain.seq}`);
    chain.seq = event.seq;
    chain.hash = event.hash;
    if (event.version !== null && event.result === "ok") {
      const steps = chain.steps.get(event.version);
      if (steps) steps.push(event.step);
      else chain.steps.set(event.version, [event.step]);
    }
    return wrong;
  }

  private chain(identity: string): Chain {
    let chain = this.chains.get(identity);
    if (!chain) this.chains.set(identity, (chain = { seq: 0, hash: GENESIS_HASH, steps: new Map() }));
    return chain;
  }

  /** @returns how the ledger's end of the chain differs from the sink's, with what waits in the outbox. */
  endsAs({ identity, audit, outbox }: LedgerState): string[] {
    let { seq, hash } = this.chain(identity);
    const wrong: string[] = [];
    for (const event of outbox) {
      if (event.seq <= seq) continue;
      if (event.seq !== seq + 1 || event.prev !== hash) wrong.push(`event ${event.seq} of the outbox follows nothing`);
      ({ seq, hash } = event);
    }
    if (seq !== audit.seq || hash !== audit.hash)
      wrong.push(`the trail ends with event ${seq}, the ledger knows ${audit.seq}`);
    return wrong;
  }

  /** What the trail and the outbox tell of a version. */
  stepsOf({ identity, outbox }: LedgerState, version: number): string[] {
    const { seq, steps } = this.chain(identity);
    const waiting = outbox.filter((event) => event.seq > seq && event.version === version && event.result === "ok");
    return [...(steps.get(version) ?? []), ...waiting.map((event) => event.step)];
  }

  /** The whole trail once more, as `rotation audit verify` does it. */
  verify(body: LedgerState): string[] {
    const recorded = memoryAuditTrail(this.sink).events.filter((event) => event?.identity === body.identity);
    const known = new Set(recorded.map((event) => event?.seq));
    const trail = [...recorded, ...body.outbox.filter((event) => !known.has(event.seq))];
    return verifyChain(trail, { expectedHead: body.audit, identity: body.identity }).map(({ message }) => message);
  }
}
