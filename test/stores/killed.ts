/** A run that is killed at each of its calls, with a store behind a server. */
import assert from "node:assert/strict";
import { MORE_RUNS, stopAndSettle } from "../crash/cells";
import { Compiled } from "../crash/compiled";
import { MAIN, type Scenario } from "../crash/scenarios";
import type { Call, Moment } from "../crash/victim";
import { Victims } from "../crash/victims";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { StoreSite, type StoreUnderTest } from "./storeSite";

const PARALLEL = 3;
/** Killed after a call is killed before the next one: only the crash matrix, which counts, has both. */
const MOMENTS: readonly Moment[] = ["before", "lost"];

const ALL_CALLS = /./;
/** Where the store is asked for something else than in a rotation; its commits are those of a rotation. */
const OTHER_CALLS = /(store|issuer)\.(?!commit)\w+$/;

const SCENARIOS: readonly { scenario: Scenario; calls: RegExp }[] = [
  { scenario: named("rotation"), calls: ALL_CALLS },
  { scenario: named("put-off retirement"), calls: OTHER_CALLS },
  { scenario: named("retirement"), calls: OTHER_CALLS },
  { scenario: named("roll-back"), calls: /store\.promote$/ },
  { scenario: named("destroy"), calls: OTHER_CALLS },
];

/** Call within `describe`. @param under known once the server runs. */
export function killedAtEachCall(under: () => StoreUnderTest): void {
  describe("in which a run is killed at any of its calls", function () {
    this.timeout(8 * 60_000);
    let server: PostgresServer;
    let compiled: Compiled;
    let victims: Victims;
    before(async () => {
      compiled = new Compiled();
      victims = new Victims(compiled, 2);
      server = await startPostgres({ settings: { max_connections: "200" } });
    });
    after(async () => {
      await victims.close();
      await server.stop();
      compiled.remove();
    });

    for (const { scenario, calls } of SCENARIOS)
      it(`settles within ${MORE_RUNS} more runs: ${scenario.name}`, async () => {
        const sites = await Promise.all(
          Array.from({ length: PARALLEL }, () => StoreSite.start(under(), server, victims, scenario)),
        );
        try {
          const [first] = sites as [StoreSite];
          await first.restore();
          const seen = await first.obey(scenario.run, null);
          const chosen = seen.calls.filter(({ call }) => calls.test(call));
          assert.ok(chosen.length > 0, "its run comes to such a call");
          const queue = chosen.flatMap((call) => MOMENTS.map((moment) => ({ ...call, moment })));
          const failed: string[] = [];
          await Promise.all(
            sites.map(async (site) => {
              for (let stop = queue.shift(); stop !== undefined; stop = queue.shift()) {
                const wrong = await stopAndSettle(site, scenario, stop);
                if (wrong.length > 0) failed.push(`${tell(stop)}, ${stop.moment}: ${wrong.slice(0, 2).join("; ")}`);
              }
            }),
          );
          assert.deepEqual(failed, []);
        } finally {
          await Promise.all(sites.map((site) => site.close()));
        }
      });
  });
}

function tell({ call, nth }: Call): string {
  return `${call.split(" ").slice(-2).join(" ")} (${nth})`;
}

function named(name: string): Scenario {
  const found = MAIN.find((scenario) => scenario.name === name);
  if (!found) throw new Error(`there is no scenario "${name}"`);
  return found;
}
