import { randomInt } from "node:crypto";
import { env } from "node:process";
import { playAll } from "./players";
import type { Block, Played } from "./player";
import { addUp, CHECKS } from "./tally";

const SEQUENCES = Number(env["ROTATION_RANDOM_RUNS"] ?? 20_000);
const SEED = Number(env["ROTATION_RANDOM_SEED"] ?? randomInt(2 ** 31));
const PATH = env["ROTATION_RANDOM_PATH"];

/** Short enough that a failure is told soon, long enough that starting one costs nothing. */
const BLOCK = 200;
/** From so many sequences on every check must have run. */
const ENOUGH = 2000;
const SAY_EVERY_MS = 20_000;

describe("random interleavings of runs, kills, faults and time", () => {
  it("keep every promise after every effect, and always come to rest", async function () {
    this.timeout(0);
    if (PATH) {
      assertWell(await playBlocks([{ seed: SEED, sequences: 1, path: PATH }]));
      return;
    }
    const count = Math.ceil(SEQUENCES / BLOCK);
    const blocks = Array.from({ length: count }, (_, index) => ({
      seed: SEED + index,
      sequences: Math.min(BLOCK, SEQUENCES - index * BLOCK),
    }));
    console.log(`      random: ${SEQUENCES} sequences, seed ${SEED}`);
    const played = await playBlocks(blocks);
    const tally = addUp(played.map((one) => one.tally));
    const told = ["sequences", "runs", "effects", ...Object.keys(CHECKS)].map((what) => `${what}=${tally[what] ?? 0}`);
    console.log(`      random: seed=${SEED} ${told.join(" ")}`);
    assertWell(played);
    const never = Object.entries(CHECKS).flatMap(([check, what]) => (tally[check] ? [] : [`${check} (${what})`]));
    if (SEQUENCES >= ENOUGH && never.length > 0) throw new Error(`never looked at: ${never.join(", ")}`);
  });
});

async function playBlocks(blocks: readonly Block[]): Promise<Played[]> {
  const played: Played[] = [];
  const all = blocks.reduce((sum, block) => sum + block.sequences, 0);
  const began = Date.now();
  let saidAt = began;
  await playAll(blocks, (one) => {
    played.push(one);
    const done = played.reduce((sum, { block }) => sum + block.sequences, 0);
    const now = Date.now();
    if (now - saidAt < SAY_EVERY_MS) return;
    saidAt = now;
    const left = Math.ceil(((now - began) / done) * ((all - done) / 1000));
    console.log(`      random: ${done} of ${all} sequences, about ${left} s left`);
  });
  return played;
}

function assertWell(played: readonly Played[]): void {
  const failures = played.flatMap(({ block: { seed }, failure }) =>
    failure
      ? [
          `${failure.story}\n    Just this one again: ROTATION_RANDOM_SEED=${seed} ROTATION_RANDOM_PATH=${failure.path} ` +
            `npx mocha test/random/rotation.test.ts (with ROTATION_RANDOM_LOG=1 for what the runs print)\n    To keep it, in ` +
            `test/random/former.ts: ${JSON.stringify({ setup: failure.setup, actions: failure.actions })}`,
        ]
      : [],
  );
  if (failures.length > 0) throw new Error(failures.join("\n\n"));
}
