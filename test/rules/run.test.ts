/** The test of the test: a mutation only counts as caught where a test notices it, and for the right reason. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { mutate, whyNotCaught, whyNotPassed, Workers } from "./run";

const ROOT = resolve(__dirname, "../..");
const SUBJECT = "test/rules/fixtures/subject.ts";
const CASES = "test/rules/fixtures/subject.cases.ts";

describe("the runner of mutations", function () {
  this.timeout(60_000);
  let workers: Workers;
  before(() => (workers = new Workers(1)));
  after(() => workers.close());

  const source = readFileSync(join(ROOT, SUBJECT), "utf8");
  const mutated = (replace: string) => mutate(source, { file: SUBJECT, find: "return number * 2;", replace });
  const judge = async (title: string, replace: string, file = SUBJECT) =>
    whyNotCaught(await workers.run({ test: { file: CASES, title }, mutated: { file, source: mutated(replace) } }));
  const judgePlain = async (title: string) => whyNotPassed(await workers.run({ test: { file: CASES, title } }));

  it("takes a mutation for caught when the test fails by an assertion, and leaves nothing of it", async () => {
    assert.equal(await judge("doubles", "return number + 3;").then((why) => why?.slice(0, 7)), "2 tests");
    assert.equal(await judge("does not stop", "throw Object.assign(new Error('no'), { name: 'StateError' });"), null);
    assert.equal(await judge("doubles nothing", "return number * 2 + 1;"), null);
    assert.equal(await judgePlain("doubles nothing"), null);
    assert.equal(readFileSync(join(ROOT, SUBJECT), "utf8"), source);
  });

  it("says that the test does not notice", async () => {
    assert.match((await judge("doubles nothing", "return number * 3;")) ?? "", /the test passes all the same/);
    assert.match((await judge("is not looked at", "return number * 3;")) ?? "", /the test passes all the same/);
  });

  it("says that there is no such test, or that the test does not load what is mutated", async () => {
    assert.match((await judge("halves", "return number * 3;")) ?? "", /no test of that title/);
    assert.match((await judgePlain("halves")) ?? "", /no test of that title/);
    assert.match((await judge("doubles nothing", "return 1;", "test/rules/fixtures/other.ts")) ?? "", /never loads/);
  });

  it("does not take a source that does not compile or load, an accident or a time-out for caught", async () => {
    assert.match((await judge("doubles nothing", "return number *;")) ?? "", /does not load/);
    assert.match((await judge("doubles nothing", "} throw new Error('early'); {")) ?? "", /does not load/);
    assert.match((await judge("doubles nothing", "return nothing.like.that;")) ?? "", /by ReferenceError, not by an/);
    assert.match(
      (await judge("does not stop", "return nothing.like.that;")) ?? "",
      /ReferenceError, which is no error/,
    );
    assert.match((await judge("answers in time", "return 5;")) ?? "", /ran out of time/);
  });

  it("ends a mutation that runs for ever, and goes on with the next one", async () => {
    const impatient = new Workers(1, 3_000);
    const test = { file: CASES, title: "doubles nothing" };
    const endless = impatient.run({ test, mutated: { file: SUBJECT, source: mutated("for (;;);") } });
    const next = impatient.run({ test });
    assert.match(whyNotCaught(await endless) ?? "", /came to no end of its own/);
    assert.equal(whyNotPassed(await next), null);
    impatient.close();
  });

  it("says what to do about a mutation whose text is not there exactly once", () => {
    const twice = { file: SUBJECT, find: "number", replace: "count" };
    assert.throws(() => mutate(source, twice), /is there 4 times.*exactly once[^]*take over its new text/);
    assert.throws(() => mutate(source, { ...twice, find: "gone" }), /is there 0 times/);
    assert.throws(() => mutate(source, { ...twice, find: "* 2", replace: "* 2" }), /changes nothing/);
  });
});
