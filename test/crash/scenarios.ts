/**
 * The situations in which a run is stopped, each from a start that other runs bring about. A further one is an entry in
 * this list: what its run calls is counted, and stopped, without further ado.
 */
import type { Program } from "./program";
import type { Run } from "./runs";
import type { Expected, Site } from "./site";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export interface Scenario {
  readonly name: string;
  /** Brings the site to where the run that is stopped begins. */
  prepare(site: Site): Promise<void>;
  /** The run that is stopped at some point. */
  readonly run: Run;
  /** The runs after it; the last one is repeated until everything has settled. */
  readonly then: readonly Run[];
  /** Whether the run fails also when nothing stops it. */
  readonly failsAnyway?: boolean;
  /** Whether the run after it may fail: it finds what this one would have found, or nothing left to do. */
  readonly nextMayFail?: boolean;
  /** Runs before the count of further ones begins, such as those of the `rotation` command. */
  readonly extraRuns?: number;
  /** `new calls`: only at places in the code that no scenario before it comes to. */
  readonly stopAt: "every call" | "every third call" | "new calls";
  /** How much faster than usual repeated work is repeated in the run. */
  readonly hurry?: number;
  /** What the app uses is torn down on the way, so that it has to fail for a while. */
  readonly endsApp?: boolean;
  readonly expected?: Partial<Expected>;
}

const UP: Run = { do: "up" };

/** Without soak a superseded version is gone one run earlier: where that is not what is looked at, it saves a run. */
const QUICK: Run = { do: "up", soak: "0s" };

/** With a store that can do what some can and the file store cannot. */
const NAMED: Program = { namedStore: true };

const up = (program: Program): Run => ({ do: "up", ...program });

async function rotationDue(site: Site, program: Program = {}): Promise<void> {
  await site.clean(up(program));
  site.advance(91 * DAY);
}

async function twoVersions(site: Site, program: Program = {}): Promise<void> {
  await rotationDue(site, program);
  await site.clean(up(program));
}

async function graceOver(site: Site, program: Program = {}): Promise<void> {
  await twoVersions(site, program);
  site.advance(HOUR + 1000);
}

/** Somebody does at the server what keeps the active version from logging in. */
async function switchActiveOff(site: Site): Promise<string> {
  const { version } = (await site.store().read("current")).ref;
  const role = (await site.roles.live()).find((name) => name.includes(`_v${version}_`));
  if (!role) throw new Error(`v${version} is not live`);
  await site.roles.run(`ALTER ROLE ${role} NOLOGIN`);
  return role;
}

async function disabled(site: Site, program: Program = {}): Promise<void> {
  await graceOver(site, program);
  await site.clean(up(program));
}

/** The eight that the real CLI goes through as well. */
export const MAIN: readonly Scenario[] = [
  { name: "first creation", prepare: async () => undefined, run: UP, then: [UP], stopAt: "every call" },
  {
    name: "rotation",
    prepare: async (site) => rotationDue(site, QUICK),
    run: QUICK,
    then: [QUICK],
    stopAt: "every call",
  },
  {
    name: "confirmation",
    prepare: async (site) => {
      await rotationDue(site, QUICK);
      await site.clean({ ...QUICK, onlySecret: true });
    },
    run: QUICK,
    then: [QUICK],
    stopAt: "every call",
  },
  {
    name: "roll-back",
    prepare: async (site) => site.clean(QUICK),
    run: { ...QUICK, brokenGrants: true },
    failsAnyway: true,
    nextMayFail: true,
    then: [QUICK],
    stopAt: "every call",
  },
  { name: "put-off retirement", prepare: (site) => graceOver(site), run: UP, then: [UP], stopAt: "every call" },
  {
    name: "retirement",
    prepare: async (site) => {
      await disabled(site);
      site.advance(HOUR + 1000);
    },
    run: UP,
    then: [UP],
    stopAt: "every call",
  },
  {
    name: "adoption",
    prepare: async (site) => site.makeRoleInUse(),
    run: { ...QUICK, adoptRole: true },
    then: [{ ...QUICK, adoptRole: true }],
    stopAt: "every call",
  },
  {
    name: "destroy",
    prepare: twoVersions,
    run: { do: "destroy" },
    then: [{ do: "destroy" }],
    endsApp: true,
    stopAt: "every call",
    expected: { gone: true },
  },
];

/** What only happens after something else went wrong, or with further parts. */
const FURTHER: readonly Scenario[] = [
  {
    name: "rotation with a replica",
    prepare: async (site) => rotationDue(site, { replica: true }),
    run: up({ replica: true }),
    then: [up({ replica: true })],
    stopAt: "new calls",
    expected: { replicas: ["replica"] },
  },
  {
    name: "destroy with a replica",
    prepare: async (site) => twoVersions(site, { replica: true }),
    run: { do: "destroy", replica: true },
    endsApp: true,
    then: [{ do: "destroy", replica: true }],
    stopAt: "new calls",
    expected: { gone: true, replicas: ["replica"] },
  },
  {
    name: "resumption",
    prepare: async (site) => {
      await rotationDue(site);
      await site.stop(UP, { point: "issuer.issue", moment: "after" });
    },
    run: UP,
    then: [UP],
    stopAt: "every third call",
  },
  {
    name: "disabling in a store that can",
    prepare: (site) => graceOver(site, NAMED),
    run: up(NAMED),
    then: [up(NAMED)],
    stopAt: "new calls",
  },
  {
    name: "registration that enables a disabled version",
    prepare: async (site) => {
      await disabled(site, NAMED);
      // Without a program in between the rollout would only be another name of the first.
      await site.clean(up({ ...NAMED, rollout: null }));
    },
    run: up({ ...NAMED, rollout: "shop" }),
    then: [up({ ...NAMED, rollout: "shop" })],
    stopAt: "new calls",
  },
  {
    name: "a rollout whose consumers are not pinned any more",
    prepare: async (site) => site.clean(UP),
    run: up({ dependents: true }),
    then: [up({ dependents: true })],
    stopAt: "new calls",
  },
  {
    name: "a rollout that leaves",
    prepare: twoVersions,
    run: up({ rollout: null }),
    then: [UP],
    stopAt: "every third call",
  },
  {
    name: "a rollout that is renamed",
    prepare: async (site) => site.clean(UP),
    run: up({ rollout: "shop" }),
    then: [up({ rollout: "shop" })],
    stopAt: "new calls",
  },
  {
    name: "release",
    prepare: async (site) => {
      await site.clean(UP);
      await site.clean(up({ rollout: null }));
      await site.clean(up({ rollout: "shop" }));
      site.advance(91 * DAY);
      await site.clean(up({ rollout: "shop" }));
      site.advance(HOUR + 1000);
    },
    run: { do: "release" },
    then: [{ do: "release" }, up({ rollout: "shop" })],
    nextMayFail: true,
    extraRuns: 1,
    stopAt: "new calls",
  },
  {
    name: "another run that finds a version unconfirmed",
    prepare: async (site) => {
      await rotationDue(site);
      await site.attempt({ do: "up", nativeFails: true });
    },
    run: { do: "up", nativeFails: true },
    failsAnyway: true,
    then: [UP],
    stopAt: "every third call",
  },
  {
    name: "return in the next run",
    prepare: async (site) => {
      await rotationDue(site, { soak: "0s" });
      for (let run = 0; run < 3; run++) await site.attempt({ do: "up", nativeFails: true, soak: "0s" });
    },
    run: up({ soak: "0s" }),
    then: [up({ soak: "0s" })],
    stopAt: "every third call",
  },
  {
    name: "handing out again after a roll-back",
    prepare: async (site) => {
      await site.clean(up(NAMED));
      await site.attempt(up({ ...NAMED, brokenGrants: true }));
    },
    run: up(NAMED),
    then: [up(NAMED)],
    stopAt: "new calls",
  },
  {
    name: "evidence that contradicts the engine",
    prepare: async (site) => rotationDue(site),
    run: up({ onlyDependents: true }),
    failsAnyway: true,
    nextMayFail: true,
    then: [UP],
    stopAt: "new calls",
  },
  {
    name: "a version that does not work",
    prepare: async (site) => {
      const { id, database } = site.facts;
      await site.clean(UP);
      await site.roles.run(
        `REVOKE CONNECT ON DATABASE ${database} FROM owner_${id}; GRANT CONNECT ON DATABASE ${database} TO auditor_${id}`,
      );
    },
    run: up({ brokenGrants: true }),
    failsAnyway: true,
    then: [UP],
    stopAt: "new calls",
  },
  {
    name: "a compromise before the promotion",
    prepare: async (site) => {
      await rotationDue(site);
      await site.stop(UP, { fn: "setPhase", point: "store.commit", moment: "before" });
      site.suspect();
    },
    run: up({ compromised: true }),
    then: [up({ compromised: true })],
    stopAt: "every third call",
  },
  {
    name: "a compromise after the promotion",
    prepare: async (site) => {
      await rotationDue(site);
      await site.clean({ do: "up", onlySecret: true });
      site.suspect();
    },
    run: up({ compromised: true }),
    then: [up({ compromised: true })],
    stopAt: "every third call",
  },
  {
    name: "a compromise that revokes first",
    prepare: async (site) => {
      await site.clean(QUICK);
      site.suspect();
    },
    // Whoever has the former value fails until its rollout has moved it: that was asked for.
    endsApp: true,
    run: { ...QUICK, compromised: true, revokeFirst: true },
    then: [{ ...QUICK, compromised: true, revokeFirst: true }],
    stopAt: "every third call",
  },
  {
    name: "an event that is answered",
    prepare: async (site) => {
      await site.clean(QUICK);
      site.suspect();
      site.advance(HOUR);
    },
    run: { ...QUICK, compromised: true },
    then: [{ ...QUICK, compromised: true }],
    stopAt: "new calls",
  },
  {
    name: "a version that was switched off outside",
    prepare: async (site) => {
      await twoVersions(site);
      site.advance(HOUR + 1000);
      await switchActiveOff(site);
    },
    endsApp: true,
    run: UP,
    failsAnyway: true,
    nextMayFail: true,
    then: [UP],
    // It takes as many that nothing stops: find it, twice, return, rotate, disable what was returned to, destroy that.
    extraRuns: 3,
    stopAt: "new calls",
  },
  {
    name: "return from a version that was switched off outside",
    prepare: async (site) => {
      await twoVersions(site, QUICK);
      site.advance(HOUR + 1000);
      await switchActiveOff(site);
      await site.attempt(QUICK);
    },
    endsApp: true,
    run: QUICK,
    then: [QUICK],
    stopAt: "every third call",
  },
  {
    name: "a version that was switched off outside for a while",
    prepare: async (site) => {
      await twoVersions(site);
      site.advance(HOUR + 1000);
      const role = await switchActiveOff(site);
      await site.attempt(UP);
      await site.roles.run(`ALTER ROLE ${role} LOGIN`);
    },
    run: UP,
    then: [UP],
    stopAt: "new calls",
  },
  {
    name: "an alarm",
    prepare: async (site) => {
      await site.clean(up({ alarmAfter: "3h" }));
      await site.clean(up({ rollout: null, alarmAfter: "3h" }));
      await site.clean(up({ rollout: "shop", alarmAfter: "3h" }));
      site.advance(91 * DAY);
      await site.clean(up({ rollout: "shop", alarmAfter: "3h" }));
      await site.clean(up({ rollout: null, alarmAfter: "3h" }));
      site.advance(4 * HOUR);
    },
    run: up({ rollout: null, alarmAfter: "3h" }),
    failsAnyway: true,
    nextMayFail: true,
    // As the error says: what is gone is released, and the age raised until somebody has confirmed.
    then: [{ do: "release" }, up({ rollout: "shop" })],
    extraRuns: 1,
    stopAt: "new calls",
  },
  {
    name: "repair of a label",
    prepare: async (site) => {
      await twoVersions(site, { replica: true });
      const store = site.store();
      const { current, revision } = await store.load();
      const other = (await store.list()).find((ref) => ref.token !== current?.token);
      if (!other) throw new Error("there is no other version");
      await store.promote(other, current, revision, 1);
      site.advance(HOUR + 1000);
    },
    run: up({ replica: true }),
    then: [up({ replica: true })],
    stopAt: "new calls",
    expected: { replicas: ["replica"] },
  },
  {
    name: "reaping of a credential that is alive again",
    prepare: async (site) => {
      await twoVersions(site);
      const dead = (await site.roles.save()).find((statement) => statement.includes("_v1_"));
      for (let run = 0; run < 2; run++) {
        site.advance(HOUR + 1000);
        await site.clean(UP);
      }
      if (!dead) throw new Error("there was no v1");
      await site.roles.run(dead);
      site.advance(91 * DAY);
    },
    run: UP,
    then: [UP],
    stopAt: "new calls",
  },
  {
    name: "a value that the issuer chooses",
    prepare: async (site) => rotationDue(site, { minted: true }),
    run: up({ minted: true }),
    then: [up({ minted: true })],
    stopAt: "new calls",
  },
  {
    name: "a chosen value that was lost",
    prepare: async (site) => {
      await rotationDue(site, { minted: true });
      await site.stop(up({ minted: true }), { point: "issuer.issue", moment: "after" });
    },
    run: up({ minted: true }),
    then: [up({ minted: true })],
    stopAt: "new calls",
  },
  {
    name: "move to another store",
    prepare: twoVersions,
    run: up({ store: "second", migrateFrom: "store" }),
    then: [up({ store: "second", migrateFrom: "store" })],
    stopAt: "new calls",
    expected: { store: "second", left: ["store"] },
  },
  {
    name: "emptying of the former store",
    prepare: async (site) => {
      await site.clean(UP);
      await site.clean(up({ store: "second", migrateFrom: "store" }));
      site.advance(HOUR + 1000);
    },
    run: up({ store: "second", migrateFrom: "store" }),
    then: [up({ store: "second", migrateFrom: "store" })],
    stopAt: "new calls",
    expected: { store: "second", left: ["store"] },
  },
  {
    name: "move of what is torn down",
    prepare: async (site) => {
      await site.clean(UP);
      await site.clean({ do: "destroy" });
    },
    run: up({ store: "second", migrateFrom: "store" }),
    then: [up({ store: "second", migrateFrom: "store" })],
    stopAt: "new calls",
    expected: { store: "second", left: ["store"] },
  },
  {
    name: "teardown resumed",
    prepare: async (site) => {
      await twoVersions(site);
      await site.stop({ do: "destroy" }, { point: "issuer.revoke", moment: "after" });
    },
    endsApp: true,
    run: UP,
    then: [UP],
    stopAt: "every third call",
  },
  {
    name: "adoption of the world as it is",
    prepare: async (site) => {
      await site.clean(UP);
      const before = (await site.store().load()).body;
      site.advance(91 * DAY);
      await site.clean(UP);
      // As after the restore of the ledger alone.
      const store = site.store();
      await store.commit(before, (await store.load()).revision);
    },
    run: { do: "adopt" },
    then: [{ do: "adopt" }, UP],
    extraRuns: 1,
    stopAt: "new calls",
  },
  {
    name: "a long rollout, in which the lease is renewed",
    prepare: async (site) => rotationDue(site),
    run: up({ bake: "400ms" }),
    then: [UP],
    stopAt: "new calls",
    hurry: 200,
  },
];

export const SCENARIOS: readonly Scenario[] = [...MAIN, ...FURTHER];
