/** What the tests of credential kinds share. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AdapterContext } from "../../provider/contracts/context";
import type { IssueRequest, ProposeRequest } from "../../provider/contracts/kind";

export interface KindContext extends AdapterContext {
  /** What was logged. */
  readonly lines: string[];
  /** Moves the clock forward. */
  advance(ms: number): void;
  cancel(reason: Error): void;
}

/** @param hurried waits take no time: only the clock moves. Otherwise they are as long as they say. */
export function kindContext(secrets: Readonly<Record<string, string>> = {}, hurried = false): KindContext {
  const lines: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  let ahead = 0;
  return {
    lines,
    advance: (ms) => void (ahead += ms),
    cancel: (reason) => controller.abort(reason),
    clock: {
      now: () => Date.now() + ahead,
      sleep: async (ms, given = signal) => {
        if (hurried) ahead += ms;
        await sleep(hurried ? 1 : ms, undefined, { signal: given }).catch((error: unknown) => {
          given.throwIfAborted();
          throw error;
        });
      },
    },
    signal,
    log: { info: (line) => void lines.push(line), warn: (line) => void lines.push(line) },
    resolveSecret: async (source) => {
      const value = source.from === "env" ? secrets[source.name] : undefined;
      if (value === undefined) throw new Error(`no such secret: ${JSON.stringify(source)}`);
      return value;
    },
  };
}

let rotations = 0;

/** A request of a secret of this identity, with a rotation id that no other has. */
export function requestFor(identity: string, more: Partial<ProposeRequest> = {}): ProposeRequest {
  const rotationId = `rotation-${++rotations}-${process.pid}`;
  return { secret: "orders", identity, rotationId, version: rotations, live: [], ...more };
}

/** As a rotation does it. */
export async function draftFor(
  kind: { propose(request: ProposeRequest): Promise<IssueRequest["draft"]> },
  identity: string,
  more: Partial<ProposeRequest> = {},
): Promise<IssueRequest> {
  const request = requestFor(identity, more);
  return { ...request, draft: await kind.propose(request) };
}
