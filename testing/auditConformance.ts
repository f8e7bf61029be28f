/** What every audit sink does. Loop over the cases with any test runner. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { appendEvent, GENESIS_HASH, type AuditFields } from "../provider/audit/chain";
import { verifyChain, type AuditFinding } from "../provider/audit/verify";
import type { AuditEvent, AuditSink } from "../provider/contracts/audit";
import { StateError, UnreachableError } from "../provider/lifecycle/errors";
import type { ConformanceCase } from "./conformance";

export interface AuditHarness {
  /** Makes a new, empty trail; everything below works on it from now on. */
  fresh(): Promise<void>;
  /** A new adapter on the trail made last. Opening again without closing stands for a crash. */
  open(): Promise<AuditSink>;
  /** Makes the trail impossible to write. */
  makeUnwritable(): Promise<void>;
  /**
   * Replaces the stored records behind the adapter's back, in this order, as somebody would who covers up something.
   * Absent where the trail cannot be changed by anybody.
   */
  readonly tamper?: (change: (events: readonly AuditEvent[]) => readonly AuditEvent[]) => Promise<void>;
}

type Body = (open: () => Promise<AuditSink>) => Promise<void>;

export function auditConformance(harness: AuditHarness): readonly ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const add = (name: string, body: Body) => cases.push({ name, run: () => runFresh(harness, body) });

  add("is empty at first", async (open) => {
    assert.deepEqual(await (await open()).read("nobody"), []);
  });

  add("reads back what was recorded, in order, also after it is opened again", async (open) => {
    const sink = await open();
    const chain = makeChain(5);
    for (const event of chain) await sink.record(event);
    assert.deepEqual(await sink.read(identityOf(chain)), chain);
    const again = await open();
    assert.equal(again.location, sink.location);
    assert.deepEqual(await again.read(identityOf(chain)), chain);
    assert.deepEqual(verifyChain(chain, { expectedHead: headOf(chain) }), []);
  });

  add("records an event once, however often it is asked to", async (open) => {
    const chain = makeChain(2);
    for (const sink of [await open(), await open()]) {
      for (const event of [...chain, ...chain]) await sink.record(event);
    }
    assert.deepEqual(await (await open()).read(identityOf(chain)), chain);
  });

  add("refuses another event with a number that is taken, and keeps the first", async (open) => {
    const sink = await open();
    const [first] = makeChain(1) as [AuditEvent];
    await sink.record(first);
    const rival = appendEvent(first.prev, { ...first, reason: "something else" });
    await assert.rejects(sink.record(rival), StateError);
    await assert.rejects((await open()).record(rival), StateError);
    assert.deepEqual(await sink.read(first.identity), [first]);
  });

  add("refuses an event whose content does not fit its hash", async (open) => {
    const sink = await open();
    const [event] = makeChain(1) as [AuditEvent];
    await assert.rejects(sink.record({ ...event, reason: "changed afterwards" }), StateError);
    assert.deepEqual(await sink.read(event.identity), []);
  });

  add("keeps the chains of secrets that share it apart", async (open) => {
    const [one, other] = [await open(), await open()];
    const [mine, theirs] = [makeChain(10), makeChain(10)];
    const record = async (sink: AuditSink, chain: readonly AuditEvent[]) => {
      for (const event of chain) await sink.record(event);
    };
    await Promise.all([record(one, mine), record(other, theirs)]);
    for (const chain of [mine, theirs]) {
      const read = await one.read(identityOf(chain));
      assert.deepEqual(read, chain);
      assert.deepEqual(verifyChain(read, { expectedHead: headOf(chain) }), []);
    }
  });

  add("keeps special characters, numbers and yes-or-no details as they are", async (open) => {
    const sink = await open();
    const detail = { text: '" \\ \n\r \u2028 ü 漢字 🔑', number: -1.5e-7, large: 2 ** 53 - 1, flag: false, empty: "" };
    const event = appendEvent(GENESIS_HASH, { ...makeFields("special", 1), secret: "örders\ndb", detail });
    await sink.record(event);
    assert.deepEqual(await (await open()).read("special"), [event]);
  });

  add("says that it is unreachable when it cannot be written", async (open) => {
    const sink = await open();
    const [first, second] = makeChain(2) as [AuditEvent, AuditEvent];
    await sink.record(first);
    await harness.makeUnwritable();
    await assert.rejects(sink.record(second), UnreachableError);
    await assert.rejects((await open()).record(second), UnreachableError);
  });

  const { tamper } = harness;
  if (tamper === undefined) return cases;

  const addTampering = (
    name: string,
    change: (events: readonly AuditEvent[]) => readonly AuditEvent[],
    expected: readonly Pick<AuditFinding, "seq" | "problem">[],
  ) =>
    add(name, async (open) => {
      const sink = await open();
      const [chain, bystander] = [makeChain(6), makeChain(3)];
      for (const event of [...bystander, ...chain]) await sink.record(event);
      const identity = identityOf(chain);
      await tamper((events) => [
        ...events.filter((event) => event.identity !== identity),
        ...change(events.filter((event) => event.identity === identity)),
      ]);
      const findings = verifyChain(await (await open()).read(identity), { identity, expectedHead: headOf(chain) });
      assert.deepEqual(
        findings.map(({ seq, problem }) => ({ seq, problem })),
        expected,
      );
      for (const { message } of findings) assert.match(message, /^[A-Z].*\.$/);
      const others = await sink.read(identityOf(bystander));
      assert.deepEqual(verifyChain(others, { expectedHead: headOf(bystander) }), [], "the other chain is whole");
    });

  const reason = "nothing special";
  const rewrite = (seq: number) => (events: readonly AuditEvent[]) =>
    events.map((event) => (event.seq === seq ? appendEvent(event.prev, { ...event, reason }) : event));

  addTampering(
    "shows that an event was changed",
    (events) => events.map((event) => (event.seq === 3 ? { ...event, reason } : event)),
    [{ seq: 3, problem: "changed" }],
  );
  addTampering("shows that an event was changed together with its hash", rewrite(3), [{ seq: 3, problem: "changed" }]);
  addTampering("shows that the newest event was changed together with its hash", rewrite(6), [
    { seq: 6, problem: "changed" },
  ]);
  addTampering("shows that events were removed", (events) => events.filter(({ seq }) => seq !== 2 && seq !== 3), [
    { seq: 2, problem: "removed" },
  ]);
  addTampering("shows that the first event was removed", (events) => events.slice(1), [{ seq: 1, problem: "removed" }]);
  addTampering("shows that the end was cut off", (events) => events.slice(0, 4), [{ seq: 5, problem: "truncated" }]);
  addTampering("shows that everything was removed", () => [], [{ seq: 1, problem: "truncated" }]);
  addTampering(
    "shows that events change places",
    (events) => [2, 1, 3, 4, 5, 6].map((seq) => events[seq - 1] as AuditEvent),
    [{ seq: 1, problem: "reordered" }],
  );
  addTampering("shows that an event is there twice", (events) => [...events, events[1] as AuditEvent], [
    { seq: 2, problem: "foreign" },
  ]);
  addTampering(
    "shows that an event was added that the ledger does not know",
    (events) => [...events, appendEvent(events[5]?.hash ?? "", makeFields(events[5]?.identity ?? "", 7))],
    [{ seq: 7, problem: "foreign" }],
  );

  return cases;
}

async function runFresh(harness: AuditHarness, body: Body): Promise<void> {
  await harness.fresh();
  const opened: AuditSink[] = [];
  try {
    await body(async () => {
      const sink = await harness.open();
      opened.push(sink);
      return sink;
    });
  } finally {
    for (const sink of opened) await sink.close();
  }
}

function makeChain(length: number): readonly AuditEvent[] {
  const identity = randomUUID();
  const chain: AuditEvent[] = [];
  for (let seq = 1; seq <= length; seq++) {
    chain.push(appendEvent(chain.at(-1)?.hash ?? GENESIS_HASH, makeFields(identity, seq)));
  }
  return chain;
}

function makeFields(identity: string, seq: number): AuditFields {
  return {
    identity,
    seq,
    time: new Date(Date.UTC(2026, 0, 1, 0, 0, seq)).toISOString(),
    secret: "orders-db",
    step: "promote",
    version: seq % 2 === 0 ? seq : null,
    result: "ok",
    reason: "schedule",
    detail: { ageDays: 91 },
    actor: { user: "ci", host: "runner", stack: "prod", run: "run-1" },
  };
}

function identityOf(chain: readonly AuditEvent[]): string {
  return chain[0]?.identity ?? "";
}

function headOf(chain: readonly AuditEvent[]): { seq: number; hash: string } {
  const last = chain.at(-1);
  assert.ok(last, "a chain of at least one event");
  return { seq: last.seq, hash: last.hash };
}
