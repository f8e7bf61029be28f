/** What every consumer on a platform with an API does. Loop over the cases with any test runner. */
import assert from "node:assert/strict";
import type { Adoption, Consumer, RollTarget } from "../provider/contracts/consumer";
import type { AdapterContext } from "../provider/contracts/context";
import type { StoredVersion } from "../provider/contracts/store";
import { ConfigurationError, ConsumerError, UnreachableError } from "../provider/lifecycle/errors";
import { runClock } from "../provider/clock";
import type { ConformanceCase } from "./conformance";

/** A platform with one workload, which uses version 1 of one secret at first and serves requests all the time. */
export interface ConsumerSite {
  /**
   * The consumer as a new process makes it. Those made before count as killed: the platform does not answer them any
   * more.
   */
  start(context: AdapterContext): Consumer | Promise<Consumer>;
  /**
   * A version of the secret, stored so that the workload's instances can read it. What must never be shown of its value
   * has 16 characters or more, what may be has fewer.
   */
  version(version: number): StoredVersion | Promise<StoredVersion>;
  /** Instances that start with this version from now on do not come up. */
  breakVersion(version: number): void | Promise<void>;
  /** The versions that requests meet now, by the platform's own record, not by the consumer; ascending, each once. */
  serving(): Promise<readonly number[]>;
  /** How many requests have failed since the site was opened. */
  failedRequests(): number;
  /** How many changes the platform has carried out for consumers since the site was opened. */
  changes(): number;
  /**
   * The `call`-th call of the platform's API from now on (1 is the next), and all after it by the same consumer, get no
   * answer. It is carried out only where `moment` is "after".
   * @returns resolves when that call has come in; never where it does not.
   */
  cutAt(call: number, moment: "before" | "after"): Promise<void>;
  /** While it is on, the platform refuses the changes of consumers for want of a permission. */
  deny(denied: boolean): void;
  close(): Promise<void>;
}

export interface ConsumerHarness {
  /** A new site. Its consumers have short time limits, since some cases wait until they are over. */
  open(): Promise<ConsumerSite>;
}

/** The longest that a cancelled call may take to end, in ms. */
const CANCELLED_WITHIN_MS = 1000;
/** More calls than any roll makes: one that never ends its polling would be cut for ever. */
const MOST_CALLS = 80;
const MOMENTS = ["before", "after"] as const;

export function consumerConformance(harness: ConsumerHarness): readonly ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const add = (name: string, body: (run: Run) => Promise<void>) =>
    cases.push({
      name,
      run: async () => {
        const site = await harness.open();
        try {
          const run = new Run(site);
          await body(run);
          assert.equal(site.failedRequests(), 0, "requests failed");
          await run.assertNoValueShown();
        } finally {
          await site.close();
        }
      },
    });

  add("moves the workload to another version, and confirms it", async (run) => {
    await run.roll(2);
    await run.assertUses(2);
  });

  add("goes on from version to version, in both directions", async (run) => {
    for (const version of [2, 3, 2, 1, 3]) {
      await run.roll(version);
      await run.assertUses(version);
    }
  });

  add("confirms no version that the workload was not moved to", async (run) => {
    assert.equal((await run.confirm(2)).adopted, false, "before");
    await run.roll(2);
    assert.equal((await run.confirm(1)).adopted, false, "after");
  });

  add("changes nothing where the workload uses the version already", async (run) => {
    await run.roll(2);
    const changes = run.site.changes();
    await run.roll(2);
    await (await run.restarted()).roll(await run.target(2));
    assert.equal(run.site.changes(), changes);
    await run.assertUses(2);
  });

  add("says that a version does not come up, and puts the workload back where it is told to", async (run) => {
    await run.site.breakVersion(2);
    await assert.rejects(run.roll(2), ConsumerError);
    assert.equal((await run.confirm(2)).adopted, false);
    await run.roll(1);
    await run.assertUses(1);
    await run.roll(3);
    await run.assertUses(3);
  });

  add("puts the workload back by a new process as well, after one that did not come up", async (run) => {
    await run.site.breakVersion(2);
    await assert.rejects(run.roll(2), ConsumerError);
    await (await run.restarted()).roll(await run.target(1));
    await run.assertUses(1);
  });

  for (const moment of MOMENTS) {
    add(`arrives where it was killed ${moment} any call of the API, and is started again`, async (run) => {
      let uses = 1;
      await run.killedAtEachCall(moment, async (kill) => {
        const other = uses === 1 ? 2 : 1;
        const killed = await kill(other);
        await run.roll(other);
        await run.assertUses(other);
        uses = other;
        return killed;
      });
    });

    add(`goes back where it was killed ${moment} any call of the API, and is told to return`, async (run) => {
      await run.killedAtEachCall(moment, async (kill) => {
        const killed = await kill(2);
        await run.roll(1);
        await run.assertUses(1);
        return killed;
      });
    });

    add(`goes back where a version did not come up and the return was killed ${moment} any call`, async (run) => {
      await run.site.breakVersion(2);
      await run.killedAtEachCall(moment, async (kill) => {
        await assert.rejects(run.roll(2), ConsumerError);
        const killed = await kill(1);
        await run.roll(1);
        await run.assertUses(1);
        return killed;
      });
    });
  }

  add("says that the platform does not answer, and leaves the workload as it is", async (run) => {
    void run.site.cutAt(1, "before");
    await assert.rejects(run.roll(2), UnreachableError);
    assert.deepEqual(await run.site.serving(), [1]);
  });

  add("says that a permission is missing, and goes on when it is there", async (run) => {
    run.site.deny(true);
    await assert.rejects(run.roll(2), ConfigurationError);
    assert.deepEqual(await run.site.serving(), [1]);
    run.site.deny(false);
    await run.roll(2);
    await run.assertUses(2);
  });

  return cases;
}

/** One case: the consumer that is running now, and what was shown to people. */
class Run {
  private readonly shown: string[] = [];
  private readonly used = new Map<number, StoredVersion>();
  private cancel = new AbortController();
  private consumer: Promise<Consumer> | undefined;

  constructor(readonly site: ConsumerSite) {}

  async target(version: number): Promise<RollTarget> {
    const stored = this.used.get(version) ?? (await this.site.version(version));
    this.used.set(version, stored);
    return { secrets: [stored] };
  }

  async roll(version: number): Promise<void> {
    const target = await this.target(version);
    await this.noting(async () => (await this.running()).roll(target));
  }

  async confirm(version: number): Promise<Adoption> {
    const target = await this.target(version);
    const adoption = await this.noting(async () => (await this.running()).confirm(target));
    this.shown.push(adoption.detail);
    return adoption;
  }

  async assertUses(version: number): Promise<void> {
    const { adopted, detail } = await this.confirm(version);
    assert.ok(adopted, `v${version} is not confirmed: ${detail}`);
    assert.deepEqual(await this.site.serving(), [version]);
    assert.equal(this.site.failedRequests(), 0, `requests failed on the way to v${version}`);
  }

  /** A new process. */
  restarted(): Promise<Consumer> {
    this.cancel = new AbortController();
    const log = { info: (line: string) => this.shown.push(line), warn: (line: string) => this.shown.push(line) };
    const context: AdapterContext = {
      clock: runClock(),
      signal: this.cancel.signal,
      log,
      resolveSecret: () => Promise.reject(new Error("this site has no secret sources")),
    };
    this.consumer = Promise.resolve(this.site.start(context));
    return this.consumer;
  }

  /**
   * Runs `body` with a kill at the first call, at the second, and so on, until a roll makes fewer calls.
   * @param body is given a roll that is killed, which says whether it was; the consumer is another one then.
   */
  async killedAtEachCall(
    moment: "before" | "after",
    body: (kill: (version: number) => Promise<boolean>) => Promise<boolean>,
  ): Promise<void> {
    for (let call = 1; call <= MOST_CALLS; call++) {
      const killed = await body((version) => this.rollKilled(version, call, moment));
      if (!killed) {
        assert.ok(call > 1, "the consumer made no call");
        return;
      }
    }
    assert.fail(`a roll made more than ${MOST_CALLS} calls`);
  }

  async assertNoValueShown(): Promise<void> {
    const values = [...this.used.values()]
      .flatMap((stored) => textsOf(stored.value))
      .filter((text) => text.length >= 16);
    assert.ok(values.length > 0, "the site's versions have no value that could be looked for");
    for (const text of this.shown)
      assert.ok(!values.some((value) => text.includes(value)), `a value is shown: ${text}`);
  }

  private async rollKilled(version: number, call: number, moment: "before" | "after"): Promise<boolean> {
    const target = await this.target(version);
    await this.restarted();
    const reached = this.site.cutAt(call, moment);
    const rolled = this.noting(async () => (await this.running()).roll(target)).then(
      () => "rolled" as const,
      (error: unknown) => error,
    );
    const first = await Promise.race([reached.then(() => "reached" as const), rolled]);
    if (first === "rolled") {
      await this.restarted();
      return false;
    }
    if (first !== "reached") throw first;
    // Nobody answers any more. A process that is killed is gone at once; one that is cancelled has to end soon.
    const cancelledAt = performance.now();
    this.cancel.abort(new Error("the run was cancelled"));
    const end = await rolled;
    assert.notEqual(end, "rolled", "a roll ended well although the platform had stopped to answer it");
    const took = performance.now() - cancelledAt;
    assert.ok(took < CANCELLED_WITHIN_MS, `a cancelled roll took ${Math.round(took)} ms to end`);
    await this.restarted();
    return true;
  }

  private running(): Promise<Consumer> {
    return this.consumer ?? this.restarted();
  }

  private async noting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.shown.push(String(error), JSON.stringify(error));
      throw error;
    }
  }
}

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}
