/** The cells of the matrix: which calls a scenario's run comes to, and what becomes of it when it is stopped at one. */
import type { PostgresServer } from "../support/postgres";
import { describePoint, type CallNames, type Point } from "./calls";
import { HOUR, type Scenario } from "./scenarios";
import { HandlerSite } from "./handlerSite";
import type { Expected, Site } from "./site";
import type { Call, Moment, Stop } from "./victim";
import type { Victims } from "./victims";

/** `lost`: the call is done, and its reply never comes. */
export const MOMENTS: readonly Moment[] = ["before", "after", "lost"];
/** How many runs it may take until everything has settled, besides the one that was stopped. */
export const MORE_RUNS = 3;

/** One row of the matrix. */
export interface Row {
  readonly scenario: string;
  /** As people read it; unique in the scenario. */
  readonly name: string;
  readonly point: Point;
  readonly at: Call;
}

const NORMAL: Expected = { gone: false, store: "store", replicas: [], left: [] };

/** Some sites in which one scenario is about to begin. */
export class Stage {
  private constructor(
    readonly scenario: Scenario,
    private readonly sites: readonly HandlerSite[],
  ) {}

  static async open(scenario: Scenario, server: PostgresServer, victims: Victims, size: number): Promise<Stage> {
    const sites: HandlerSite[] = [];
    const stage = new Stage(scenario, sites);
    const prepare = async () => {
      const site = await HandlerSite.open(server, victims);
      sites.push(site);
      await scenario.prepare(site);
      await site.save();
    };
    const prepared = await Promise.allSettled(Array.from({ length: size }, prepare));
    const failed = prepared.find((one) => one.status === "rejected");
    if (!failed) return stage;
    await stage.close();
    throw failed.reason;
  }

  /** The calls of the run when nothing stops it, in their order. */
  async calls(names: CallNames): Promise<Row[]> {
    const { scenario } = this;
    const [site] = this.sites as [HandlerSite];
    const { calls, error } = await site.obey(scenario.run, null, scenario.hurry);
    if ((error !== undefined) !== (scenario.failsAnyway ?? false))
      throw new Error(
        `${scenario.name}: the run that nothing stops ${error === undefined ? "does not fail" : `fails: ${error}`}`,
      );
    const seen = new Map<string, number>();
    return calls.map((at) => {
      const point = names.pointOf(at.call);
      const text = describePoint(point);
      const nth = (seen.get(text) ?? 0) + 1;
      seen.set(text, nth);
      return { scenario: scenario.name, name: nth === 1 ? text : `${text} (${nth})`, point, at };
    });
  }

  /** Does the work for each item, on as many sites as there are. */
  async each<T>(items: readonly T[], work: (site: Site, item: T) => Promise<void>): Promise<void> {
    const queue = [...items];
    await Promise.all(
      this.sites.map(async (site) => {
        for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(site, item);
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.sites.map((site) => site.close()));
  }
}

/** One cell. @returns what was wrong, on the way or at the end. */
export async function stopAndSettle(site: Site, scenario: Scenario, stop: Stop): Promise<string[]> {
  await site.restore();
  const expected = { ...NORMAL, ...scenario.expected };
  site.watch(!scenario.endsApp);
  try {
    await site.stop(scenario.run, stop, scenario.hurry);
    const left = await settle(site, scenario, expected);
    await site.endWatch();
    return [...left, ...site.wrong];
  } catch (error) {
    return [(error as Error).message, ...site.wrong];
  } finally {
    await site.endWatch();
  }
}

async function settle(site: Site, scenario: Scenario, expected: Expected): Promise<string[]> {
  const { then, extraRuns = 0, nextMayFail = false } = scenario;
  let left: string[] = [];
  for (let run = 0; run < MORE_RUNS + extraRuns; run++) {
    const error = await site.attempt(then[Math.min(run, then.length - 1)] ?? { do: "up" });
    if (error && !(run === 0 && nextMayFail)) return [`run ${run + 1} after it failed: ${error.message}`];
    site.advance(HOUR + 1000);
    left = error ? [error.message] : await site.settled(expected);
    if (left.length === 0) return [];
  }
  return left;
}
