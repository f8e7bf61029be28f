/**
 * Runs single tests against source that is mutated in memory only. Each worker is a process that lives for many runs:
 * between two of them it forgets every module of this package, and the file that is mutated is read with its new text.
 */
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Mutation } from "./mutations";

/** One test against today's source, or against a source with one mutation. */
export interface Job {
  readonly test: { readonly file: string; readonly title: string };
  readonly mutated?: { readonly file: string; readonly source: string };
}

export interface Failure {
  readonly title: string;
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  /** What `assert.ifError` was given. */
  readonly unwanted: string | undefined;
}

export interface Outcome {
  /** Why no test ran at all: a source that does not compile or load. */
  readonly loadError?: string;
  readonly ran: readonly string[];
  readonly failures: readonly Failure[];
  /** Whether the mutated file was read. */
  readonly loaded: boolean;
}

/** The errors that the product throws on purpose; anything else that stops a run is an accident of the mutation. */
const OUR_ERRORS = /^(Rotation|Conflict|NotFound|Unreachable|State|Configuration|Consumer)Error$/;

/** What is wrong with a run that should pass; `null`: nothing. */
export function whyNotPassed({ loadError, ran, failures }: Outcome): string | null {
  if (loadError) return `the test file does not load: ${loadError}`;
  if (ran.length !== 1) return whyNotOne(ran);
  const [failure] = failures;
  return failure ? `it fails without the mutation: ${failure.message}` : null;
}

/** What is wrong with a run that should fail by an assertion; `null`: nothing, the mutation is caught. */
export function whyNotCaught({ loadError, ran, failures, loaded }: Outcome): string | null {
  if (loadError) return `the mutated source does not load: ${loadError}`;
  if (!loaded) return "the test never loads the file that is mutated";
  const [failure] = failures;
  if (ran.length > 1) return whyNotOne(ran);
  if (!failure) return ran.length === 1 ? "the test passes all the same: it does not notice" : whyNotOne(ran);
  if (failure.code === "ERR_MOCHA_TIMEOUT") return `the test ran out of time, which tells nothing: ${failure.message}`;
  if (failure.code !== "ERR_ASSERTION")
    return `the test fails, but by ${failure.name}, not by an assertion: ${failure.message}`;
  if (failure.unwanted !== undefined && !OUR_ERRORS.test(failure.unwanted))
    return `the mutated source stops with ${failure.unwanted}, which is no error of ours: ${failure.message}`;
  return null;
}

function whyNotOne(ran: readonly string[]): string {
  if (ran.length === 0) return "there is no test of that title in the file";
  return `${ran.length} tests have that in their title (${ran.join(" | ")}); it has to name one`;
}

/** @throws when the text is not there exactly once. */
export function mutate(source: string, { file, find, replace }: Pick<Mutation, "file" | "find" | "replace">): string {
  const count = source.split(find).length - 1;
  if (count !== 1)
    throw new Error(
      `${file}: the text to mutate is there ${count} times, and has to be there exactly once:\n${find}\n` +
        `If the code was only written differently, take over its new text in test/rules/mutations.ts. If it is gone, ` +
        `find out what keeps the clause of the rule now, and mutate that; a clause that nothing keeps any more is a bug.`,
    );
  const [before, after] = source.split(find);
  const mutated = `${before}${replace}${after}`;
  if (mutated === source) throw new Error(`${file}: the mutation changes nothing:\n${find}`);
  return mutated;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (outcome: Outcome) => void;
}

/** Processes that take jobs in the order in which they come. */
export class Workers {
  private readonly waiting: Waiting[] = [];
  private readonly children = new Set<ChildProcess>();
  /** How those that have nothing to do are told that there is something. */
  private readonly idle: (() => void)[] = [];

  /** @param limitMs a job that takes longer comes to no end; its worker is ended. */
  constructor(
    private readonly size: number,
    private readonly limitMs = 60_000,
  ) {}

  run(job: Job): Promise<Outcome> {
    return new Promise((resolve) => {
      this.waiting.push({ job, resolve });
      const wake = this.idle.pop();
      if (wake) wake();
      else if (this.children.size < this.size) this.start();
    });
  }

  close(): void {
    this.waiting.length = 0;
    for (const child of this.children) child.kill("SIGKILL");
  }

  private start(): void {
    const child = fork(join(__dirname, "worker.ts"), {
      execArgv: ["--require", require.resolve("tsx/cjs")],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.children.add(child);
    let current: { readonly taken: Waiting; readonly timer: NodeJS.Timeout } | undefined;
    const finish = (outcome: Outcome) => {
      clearTimeout(current?.timer);
      current?.taken.resolve(outcome);
      current = undefined;
    };
    const next = () => {
      const taken = this.waiting.shift();
      if (!taken) {
        this.idle.push(next);
        return;
      }
      const timer = setTimeout(() => child.kill("SIGKILL"), this.limitMs);
      current = { taken, timer };
      child.send(taken.job);
    };
    child.on("message", (message: Outcome | "ready") => {
      if (message !== "ready") finish(message);
      next();
    });
    child.once("exit", (code, signal) => {
      this.children.delete(child);
      const loadError = `its process came to no end of its own (${signal ?? `exit code ${code}`})`;
      finish({ loadError, ran: [], failures: [], loaded: true });
      if (this.waiting.length > 0) this.start();
    });
  }
}
