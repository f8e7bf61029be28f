/** Each clause of the protocol, taken out of the code: a test has to notice. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { MUTATIONS, type Mutation } from "./mutations";
import { mutate, whyNotCaught, whyNotPassed, Workers, type Job, type Outcome } from "./run";

const ROOT = resolve(__dirname, "../..");
const RULES = Array.from({ length: 24 }, (_, index) => index + 1);

const sourceOf = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const testOf = ({ caughtBy: [file, title] }: Mutation): Job["test"] => ({ file, title });

describe("the rules of the protocol as mutations", () => {
  it("are all there", () => {
    assert.deepEqual(
      RULES.filter((rule) => !MUTATIONS.some((mutation) => mutation.rule === rule)),
      [],
    );
    assert.deepEqual(
      MUTATIONS.filter(({ rule }) => !RULES.includes(rule)),
      [],
    );
  });

  it("have names of their own", () => {
    const names = MUTATIONS.map(({ rule, name }) => `${rule}: ${name}`);
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });

  describe("are noticed: the code that", function () {
    this.timeout(0);
    let workers: Workers;
    /** The same test catches several; without a mutation it needs to run once. */
    const unmutated = new Map<string, Promise<Outcome>>();
    const passes = (test: Job["test"]): Promise<Outcome> => {
      const key = `${test.file}\0${test.title}`;
      const known = unmutated.get(key) ?? workers.run({ test });
      unmutated.set(key, known);
      return known;
    };

    const outcomes = new Map<Mutation, Promise<string | null>>();
    async function whyNot(mutation: Mutation): Promise<string | null> {
      const test = testOf(mutation);
      const source = mutate(sourceOf(mutation.file), mutation);
      const before = whyNotPassed(await passes(test));
      return before ?? whyNotCaught(await workers.run({ test, mutated: { file: mutation.file, source } }));
    }

    before(() => {
      workers = new Workers(Math.min(2, availableParallelism()));
      for (const mutation of MUTATIONS) {
        const outcome = whyNot(mutation);
        outcome.catch(() => undefined);
        outcomes.set(mutation, outcome);
      }
    });
    after(() => workers.close());

    for (const mutation of MUTATIONS)
      it(`${mutation.name} (rule ${mutation.rule})`, async () => {
        const problem = await outcomes.get(mutation);
        const [file, title] = mutation.caughtBy;
        assert.equal(problem, null, `${file}, "${title}": ${problem}`);
      });
  });
});
