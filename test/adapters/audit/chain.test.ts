import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendEvent, canonicalJson, GENESIS_HASH, hashEvent } from "../../../provider/audit/chain";
import { formatLine, parseLine, parseTrail } from "../../../provider/audit/lines";
import { verifyChain } from "../../../provider/audit/verify";
import type { AuditEvent } from "../../../provider/contracts/audit";
import { headOf, makeChain, makeFields } from "./support";

describe("the chain of audit events", () => {
  it("links each event to the one before", () => {
    const [first, second] = makeChain("a", 2) as [AuditEvent, AuditEvent];
    assert.equal(first.prev, GENESIS_HASH);
    assert.equal(second.prev, first.hash);
    assert.equal(first.schema, 1);
  });

  it("hashes the canonical JSON of everything but the hash, so that other tools can check it", () => {
    const event = appendEvent(GENESIS_HASH, makeFields("a", 1));
    const json =
      '{"actor":{"host":"runner","run":"run-1","stack":"prod","user":"ci"},"detail":{"ageDays":91},"identity":"a",' +
      `"prev":"${GENESIS_HASH}","reason":"schedule","result":"ok","schema":1,"secret":"orders-db","seq":1,` +
      '"step":"promote","time":"2026-11-01T02:00:00.000Z","version":7}';
    assert.equal(event.hash, createHash("sha256").update(json).digest("hex"));
    assert.equal(hashEvent(event), event.hash);
  });

  it("does not depend on the order of fields, and refuses what JSON cannot hold", () => {
    assert.equal(canonicalJson({ b: 1, a: [{ d: null, c: "ü" }] }), canonicalJson({ a: [{ c: "ü", d: null }], b: 1 }));
    assert.equal(canonicalJson({ b: undefined, ä: 1, Z: 2, a: 3 }), '{"Z":2,"a":3,"ä":1}');
    for (const value of [NaN, Infinity, () => 1, 1n, undefined])
      assert.throws(() => canonicalJson({ x: [value] }), TypeError);
  });

  it("names every single problem of a chain that has several", () => {
    const chain = makeChain("a", 9);
    const at = (seq: number) => chain[seq - 1] as AuditEvent;
    const stranger = makeChain("b", 1)[0] as AuditEvent;
    const events = [at(1), at(3), at(2), null, { ...at(4), result: "failed" as const }, stranger, at(7)];
    const findings = verifyChain(events, { expectedHead: headOf(chain) });
    assert.deepEqual(
      findings.map(({ seq, position, problem }) => [problem, seq, position]),
      [
        ["reordered", 2, 3],
        ["unreadable", undefined, 4],
        ["changed", 4, 5],
        ["foreign", 1, 6],
        ["removed", 5, undefined],
        ["truncated", 8, undefined],
      ],
    );
  });

  it("cannot see a cut end without the ledger's head, and does with it", () => {
    const chain = makeChain("a", 5);
    assert.deepEqual(verifyChain(chain.slice(0, 3)), []);
    assert.equal(verifyChain(chain.slice(0, 3), { expectedHead: headOf(chain) })[0]?.problem, "truncated");
    assert.deepEqual(verifyChain([], { expectedHead: { seq: 0, hash: GENESIS_HASH } }), []);
  });

  it("sees that the whole chain is another secret's", () => {
    const problems = verifyChain(makeChain("b", 2), { identity: "a" }).map(({ problem }) => problem);
    assert.deepEqual(problems, ["foreign", "foreign"]);
  });
});

describe("the lines of an audit file", () => {
  const [first, second] = makeChain("a", 2) as [AuditEvent, AuditEvent];
  const [line, next] = [formatLine(first), formatLine(second)];

  it("come back as they were written", () => {
    assert.deepEqual(parseLine(line), first);
    assert.deepEqual(parseTrail(`${line}\n${next}\n`), [first, second]);
  });

  it("are unreadable when they are anything but the line that an event is written as", () => {
    const tampered = [
      "null",
      "[]",
      "garbage",
      line.slice(0, -5),
      line.replace('"result":"ok"', '"result":"fine"'),
      line.replace('"result":"ok"', '"result":"failed","result":"ok"'),
      line.replace("{", "{ "),
      line.replace('"step"', '"extra":1,"step"'),
      line.replace('"seq":1', '"seq":1.0'),
      JSON.stringify(first),
    ];
    for (const text of tampered) assert.equal(parseLine(text), null, text);
  });

  it("are harmless when torn, if the same line follows in full, at once or later", () => {
    for (const length of [1, 20, next.length - 1]) {
      const torn = next.slice(0, length);
      assert.deepEqual(parseTrail(`${line}\n${torn}\n${next}\n`), [first, second]);
      const stranger = formatLine(makeChain("b", 1)[0] as AuditEvent);
      assert.equal(parseTrail(`${torn}\n${stranger}\n${next}\n`).includes(null), false);
    }
    assert.deepEqual(parseTrail(`${line}\n\n`), [first]);
  });

  it("are a finding when torn, if nothing follows that completes them", () => {
    assert.deepEqual(parseTrail(`${line.slice(0, 200)}\n${next}\n`), [null, second]);
    assert.deepEqual(parseTrail(`${line}\n${line.slice(0, 200)}\n`), [first, null]);
  });

  it("are not read before they are finished", () => {
    assert.deepEqual(parseTrail(`${line}\n${next}`), [first]);
    assert.deepEqual(parseTrail(""), []);
  });
});
