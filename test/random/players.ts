/** Shares blocks of sequences out over the cores of the machine. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import type { Block, Played } from "./player";

/** What is copied is short-lived: with more room for the young, half as much is collected. */
const OPTIONS = ["--import", "tsx", "--max-semi-space-size=32"];

/**
 * @param told is called with each block that was played.
 * @returns once all are played, or one has failed.
 */
export async function playAll(blocks: readonly Block[], told: (played: Played) => void): Promise<void> {
  const waiting = [...blocks];
  let failed = false;
  const work = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const child = fork(join(__dirname, "player.child.ts"), [], { execArgv: OPTIONS });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`a process that plays sequences ended with ${String(code)}`);
    });
    ended.catch(() => undefined);
    try {
      for (let block = waiting.shift(); block && !failed; block = waiting.shift()) {
        child.send(block);
        const [played] = (await Promise.race([once(child, "message"), ended])) as [Played];
        failed ||= played.failure !== undefined;
        told(played);
      }
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      child.kill();
    }
  };
  const workers = Math.min(blocks.length, Number(env["ROTATION_RANDOM_WORKERS"] ?? availableParallelism()));
  await Promise.all(Array.from({ length: workers }, work));
}
