import fc from "fast-check";
import { actions, setup } from "./actions";
import { installBoundary } from "./boundary";
import { play } from "./sequence";

/** About a minute on two cores. */
const RUNS = Number(process.env["ROTATION_RANDOM_RUNS"] ?? 450);
const SEED = Number(process.env["ROTATION_RANDOM_SEED"] ?? 1);

describe("random interleavings of runs, kills, faults and time", () => {
  let uninstall: () => void;
  before(() => (uninstall = installBoundary()));
  after(() => uninstall());

  it("keep every promise after every effect, and always come to rest", async function () {
    this.timeout(0);
    const told = { sequences: 0, runs: 0, effects: 0, rounds: [] as number[] };
    const property = fc.asyncProperty(setup, actions, async (world, chosen) => {
      const { runs, effects, rounds } = await play(world, chosen);
      told.sequences++;
      told.runs += runs;
      told.effects += effects;
      told.rounds[rounds] = (told.rounds[rounds] ?? 0) + 1;
    });
    const details = await fc.check(property, { numRuns: RUNS, seed: SEED, endOnFailure: false });
    const seed = `seed ${details.seed}, ${details.numRuns} sequences, ${told.runs} runs, ${told.effects} effects, rounds ${told.rounds.join("/")}`;
    console.log(`      ${seed}`);
    if (!details.failed) return;
    const story =
      details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance);
    throw new Error(`${story}\n    (${seed}, path ${details.counterexamplePath}, shrunk ${details.numShrinks} times)`);
  });
});
