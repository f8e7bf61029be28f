/** The situations in which a run is stopped, each from a start that clean runs bring about. */
import type { Properties } from "../support/miniEngine";
import type { CrashSite } from "./site";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** What one run is given: in a child process when it is stopped, in this process when it is clean. */
export interface RunSpec {
  readonly do: "up" | "destroy";
  /** Properties of the secret beyond the usual ones. */
  readonly secret?: Properties;
}

export interface Scenario {
  readonly name: string;
  /** Brings the site to where the run that is stopped begins. */
  prepare(site: CrashSite): Promise<void>;
  /** The run that is stopped at some point. */
  readonly run: RunSpec;
  /** Whether that run fails also when nothing stops it. */
  readonly failsAnyway?: boolean;
  /** Whether the run after it may find the version broken, and fail as this one would have. */
  readonly nextMayFail?: boolean;
  /** The runs after it, until everything has settled. */
  readonly then: RunSpec;
}

const UP: RunSpec = { do: "up" };

async function twoVersions(site: CrashSite): Promise<void> {
  await site.clean(UP);
  site.advance(91 * DAY);
  await site.clean(UP);
}

export const SCENARIOS: readonly Scenario[] = [
  { name: "first creation", prepare: async () => undefined, run: UP, then: UP },
  {
    name: "rotation",
    prepare: async (site) => {
      await site.clean(UP);
      site.advance(91 * DAY);
    },
    run: UP,
    then: UP,
  },
  {
    name: "confirmation",
    prepare: async (site) => {
      await site.clean(UP);
      site.advance(91 * DAY);
      await site.cleanSecretOnly(UP);
    },
    run: UP,
    then: UP,
  },
  {
    name: "roll-back",
    prepare: async (site) => site.clean(UP),
    // Without soak, so that a version that is only noticed to be broken by the next run is gone in three as well.
    run: { do: "up", secret: { brokenGrants: true, soak: "0s" } },
    failsAnyway: true,
    nextMayFail: true,
    then: { do: "up", secret: { soak: "0s" } },
  },
  {
    name: "put-off retirement",
    prepare: async (site) => {
      await twoVersions(site);
      site.advance(HOUR + 1000);
    },
    run: UP,
    then: UP,
  },
  {
    name: "retirement",
    prepare: async (site) => {
      await twoVersions(site);
      site.advance(HOUR + 1000);
      await site.clean(UP);
      site.advance(HOUR + 1000);
    },
    run: UP,
    then: UP,
  },
  {
    name: "adoption",
    prepare: async (site) => site.makeRoleInUse(),
    run: { do: "up", secret: { adoptRole: true } },
    then: { do: "up", secret: { adoptRole: true } },
  },
  { name: "destroy", prepare: twoVersions, run: { do: "destroy" }, then: { do: "destroy" } },
];
