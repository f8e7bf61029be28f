/** Plays random sequences: a block is some hundred of them, from one seed. */
import fc from "fast-check";
import { actions, setup, type Action } from "./actions";
import { play } from "./sequence";
import { Tally } from "./tally";
import type { Setup } from "./world";

export interface Block {
  readonly seed: number;
  readonly sequences: number;
  /** Plays just the sequence that once failed. */
  readonly path?: string;
}

export interface Played {
  readonly block: Block;
  readonly tally: Readonly<Record<string, number>>;
  /** The shrunk sequence that breaks a promise; absent when all was well. */
  readonly failure?: {
    readonly story: string;
    readonly path: string;
    readonly setup: Setup;
    readonly actions: readonly Action[];
  };
}

export async function playBlock({ seed, sequences, path }: Block): Promise<Played> {
  const tally = new Tally();
  const property = fc.asyncProperty(setup, actions, async (world, chosen) => play(world, chosen, { tally }));
  const details = await fc.check(property, { seed, numRuns: sequences, ...(path ? { path } : {}) });
  const told = { block: { seed, sequences, ...(path ? { path } : {}) }, tally: tally.counts };
  const { failed, counterexample, errorInstance, counterexamplePath } = details;
  if (!failed || !counterexample) return told;
  const story = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const [world, chosen] = counterexample;
  return { ...told, failure: { story, path: counterexamplePath, setup: world, actions: chosen } };
}
