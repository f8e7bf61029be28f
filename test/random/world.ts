/**
 * The world between the runs: clocks, the programs as they are now, the stacks, and whoever uses a version. What the
 * stores hold is looked at where it is, so that the invariants can be checked after every single effect.
 */
import { decodeState } from "../../provider/inputs/secretVersion";
import type { Entry } from "../../provider/lifecycle/decide";
import type { Lease, LedgerState } from "../../provider/lifecycle/ledger";
import { memoryStoreContents } from "../../provider/stores/memory";
import { memoryWorkload, type MemoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, resetMemory, TestClock, type Properties, type RolloutArgs } from "../support/miniEngine";
import { held, Subject } from "./subject";
import { WatchedTrail } from "./trail";
import type { Tally } from "./tally";
import type { Window } from "./wallClock";

/** 60 seconds, and what clocks may differ by. */
const LONGEST_LEASE_MS = 65_000;

export const SECRET = "orders-db";
export const KEY = "orders-key";
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const GRACE = HOUR;
export const LEGACY = "legacy";
export const OTHER = "org/reports/prod";
/** Names that the owning stack has had, in the order in which it is handed over. */
const OWNERS = ["org/app/prod", "org/shop/prod"] as const;

/** What stays the same through one sequence. */
export interface Setup {
  readonly soak: "0s" | "1h";
  readonly confirmation: "required" | "elsewhere" | "none";
  /** Whether resources of the program follow the reference. */
  readonly dependents: boolean;
  /** Whether the consumers stay on a version until they are rolled. */
  readonly pinned: boolean;
  readonly replica: boolean;
  /** Whether the issuer chooses the values. */
  readonly minted: boolean;
  readonly adopt: boolean;
  /** How much happens before the sequence: 1 the first `up`, 2 that of the other stack, 3 a rotation is due. */
  readonly begin: number;
  /** Whether the rollout of the owning stack confirms a second secret as well, which a stack of its own owns. */
  readonly key: boolean;
  /** Whether the owning stack has a second rollout. */
  readonly jobs: boolean;
  readonly requireUnused: boolean;
  readonly window: Window | null;
}

/** Somebody who read "current" and keeps it for the grace period. */
export interface Reader {
  readonly store: string;
  readonly version: number;
  readonly until: number;
}

export type Entries = Pick<MiniStack, "secret" | "pending" | "rollout" | "further">;

export function entriesOf({ secret, pending, rollout, further }: MiniStack): Entries {
  return { secret, pending, rollout, further };
}

export interface NamedEntry extends Entry {
  readonly identity: string;
  readonly owner: string;
}

export class World {
  readonly clock = new TestClock();
  /** By how much the clock was set back. */
  private setBack = 0;
  /** Whether the clock ever was: moments do not tell an order any more. */
  wasSetBack = false;
  owner = new MiniStack(this.clock, OWNERS[0]);
  /** The stack that owned the secret before, while it has entries left. */
  former: MiniStack | null = null;
  readonly other = new MiniStack(this.clock, OTHER);
  readonly keys = new MiniStack(this.clock, "org/keys/prod");
  readonly secret = new Subject(SECRET, "issuer", "db", ["db", "db2", "replica"], ["db", "db2"]);
  readonly key = new Subject(KEY, "keys-issuer", "keys", ["keys"], ["keys"]);
  readonly subjects: readonly Subject[];
  readonly passwords = new Set<string>();
  readonly trails = ["db", "db2", "keys"].map((sink) => new WatchedTrail(sink));
  /** The ledgers as they were before the last commit. */
  readonly before = new Map<string, LedgerState>();

  // The programs.
  readonly events: { id: string; reason: string; time: string }[] = [];
  grants = 0;
  /** Whether the other stack's program is there. */
  otherDeclared = false;
  rolloutName = "orders";
  /** Whether the program, or the whole stack, is being taken away. */
  ending = false;
  /** Whether the issuer's store is managed by a newer package elsewhere, with a ledger that this one cannot read. */
  newer = false;

  // Users.
  nativeRef: string | null = null;
  native = new Set<number>();
  legacyInUse: boolean;
  readers: Reader[] = [];
  /** From which store each workload reads the secret. */
  readonly readsFrom = new Map<string, string>();
  /** Workloads of rollouts that a restored ledger has forgotten: what docs/operations.md says cannot be saved. */
  readonly forgotten = new Set<string>();
  /** Set while a ledger from a backup is in place: what was there before it. */
  restored: Backup | null = null;
  /** Whether one was ever put back in this sequence. */
  wasRestored = false;

  readonly setup: Setup;

  constructor(
    setup: Setup,
    readonly tally: Tally,
  ) {
    // Where the program says that the owning stack has no users of its own, it has none.
    const own = setup.confirmation === "required";
    this.setup = { ...setup, dependents: setup.dependents && own, key: setup.key && own, jobs: setup.jobs && own };
    this.subjects = this.setup.key ? [this.secret, this.key] : [this.secret];
    resetMemory();
    this.secret.issuer.minted = setup.minted;
    // Users that no rollout of the owning stack stands for cannot be known.
    this.legacyInUse = setup.adopt && own;
    if (!setup.adopt) return;
    process.env["ROTATION_TEST_LEGACY"] = "the-legacy-password";
    this.passwords.add("the-legacy-password");
    this.secret.issuer.credentials.set(LEGACY, {
      name: LEGACY,
      identity: "",
      rotationId: "",
      password: "the-legacy-password",
      enabled: true,
      works: true,
      users: new Set(),
    });
  }

  /** Time as it really passes, also where the clock was set back. */
  get now(): number {
    return this.clock.time + this.setBack;
  }

  setClockBack(ms: number): void {
    this.clock.time -= ms;
    this.setBack += ms;
    this.wasSetBack = true;
  }

  setClockRight(): void {
    this.clock.time += this.setBack;
    this.setBack = 0;
  }

  get ledger(): LedgerState | null {
    return this.secret.ledger;
  }

  get stacks(): MiniStack[] {
    return [this.owner, this.other, this.keys, ...(this.former ? [this.former] : [])];
  }

  get hasEntries(): boolean {
    return this.stacks.some(({ secret, pending, rollout, further }) =>
      Boolean(secret ?? pending[0] ?? rollout ?? Object.keys(further)[0]),
    );
  }

  /** What the state of the owner names; `null` where it names nothing. */
  get entry(): NamedEntry | null {
    return this.entryOf(this.owner);
  }

  entryOf({ secret }: MiniStack): NamedEntry | null {
    return secret ? (decodeState(secret.outputs) as unknown as NamedEntry) : null;
  }

  /** Where the link of the secret leads. */
  get linkedStore(): string {
    return (this.owner.secret?.outputs["store"] as { name: string } | undefined)?.name ?? this.secret.home;
  }

  workloads(): string[] {
    return ["api", "jobs", "reports"];
  }

  workload(name: string): MemoryWorkload {
    return memoryWorkload(name);
  }

  /** A lease that a run has to respect, as it looks from outside. */
  foreignLease(store = this.secret.home): Lease | null {
    const lease = held(store).body?.lease;
    if (!lease || lease.processStart === "0") return null;
    const left = lease.expiresAt - this.clock.now();
    // One that ends later than any lease may is watched, and taken where nobody renews it: here nobody does.
    return left > 0 && left <= LONGEST_LEASE_MS ? lease : null;
  }

  /** From now on everybody can know that the process that holds a lease is gone. */
  showHolderDead(): void {
    for (const store of this.subjects.flatMap((subject) => subject.ledgers)) {
      const { body } = held(store);
      if (body?.lease) this.replaceLedger(store, { ...body, lease: { ...body.lease, processStart: "0" } });
    }
  }

  replaceLedger(store: string, body: LedgerState): void {
    const contents = memoryStoreContents(store);
    contents.commits++;
    contents.body = body;
    this.before.set(store, body);
  }

  secretArgs(): Properties {
    const { soak, confirmation, replica, requireUnused, window } = this.setup;
    const { home, migrateFrom } = this.secret;
    return {
      name: SECRET,
      kind: { type: "memory", name: "issuer", ...(this.grants > 0 ? { grants: [`g${this.grants}`] } : {}) },
      store: { type: "memory", name: home },
      schedule: { every: "90d", ...(window ? { window } : {}) },
      retirement: { grace: "1h", soak, requireUnused },
      confirmation,
      events: [...this.events],
      ...(replica ? { replicas: [{ type: "memory", name: "replica" }] } : {}),
      ...(migrateFrom !== null ? { migrateFrom: { type: "memory", name: migrateFrom } } : {}),
      ...(this.mayAdopt
        ? { adopt: { username: LEGACY, password: { from: "env", name: "ROTATION_TEST_LEGACY" } } }
        : {}),
    };
  }

  keyArgs(): Properties {
    return {
      name: KEY,
      kind: { type: "memory", name: "keys-issuer" },
      store: { type: "memory", name: "keys" },
      schedule: { every: "60d" },
      retirement: { grace: "1h", soak: this.setup.soak },
      confirmation: "elsewhere",
    };
  }

  /** Who starts anew does not ask to adopt what is no longer there. */
  private get mayAdopt(): boolean {
    const anew = this.ledger?.status !== "live" || this.ledger.active === null;
    return this.setup.adopt && (!anew || this.secret.issuer.credentials.has(LEGACY));
  }

  /**
   * A run whose program has rollouts, but none that stands for those who use the adopted credential: nobody can know of
   * them, once one of the others has confirmed.
   */
  leaveUsersUnnamed(): void {
    const { rollouts = {}, residues = {} } = this.ledger ?? {};
    const isNamed = Object.keys({ ...rollouts, ...residues }).some((key) => key.endsWith(`::${this.rolloutName}`));
    if (!isNamed && Object.keys(this.furtherRollouts).length > 0) this.legacyInUse = false;
  }

  /** The rollout of the owning stack; it waits for the second secret where that is not there yet. */
  get ownRollout(): RolloutArgs {
    const { dependents, pinned, key } = this.setup;
    const keyLink = key && this.keys.secret ? [this.keys.link] : [];
    return (link) => ({
      name: this.rolloutName,
      secrets: [link, ...keyLink],
      consumers: [{ type: "memory", name: "api", pinned }],
      checks: [
        { type: "memory", name: "api-health", workload: "api" },
        ...(dependents
          ? [{ type: "memory", name: "native-uses", workload: "native", evidence: true, secret: SECRET }]
          : []),
      ],
      dependents: dependents ? 1 : 0,
    });
  }

  get furtherRollouts(): Record<string, RolloutArgs> {
    if (!this.setup.jobs) return {};
    const consumers = [{ type: "memory", name: "jobs", pinned: this.setup.pinned }];
    return { jobs: (link) => ({ name: "jobs", secrets: [link], consumers }) };
  }

  readonly otherRollout: RolloutArgs = (link) => ({
    name: "reports",
    secrets: [link],
    consumers: [{ type: "memory", name: "reports", pinned: this.setup.pinned }],
    checks: [{ type: "memory", name: "reports-health", workload: "reports" }],
  });

  /** Which workload the consumers of a rollout are, by its key in the ledger. */
  workloadOf(key: string): string {
    const name = key.split("::")[1] ?? "";
    return name === "reports" || name === "jobs" ? name : "api";
  }

  /** A resource of the program that takes the reference; the engine applies it only where it has changed. */
  applyNative(ref: string, outcome: "ok" | "before" | "half" | "after"): void {
    if (ref === this.nativeRef) return;
    if (outcome === "before") throw new Error("the native resource fails");
    const version = Number(/\/v(\d+)@/.exec(ref)?.[1]);
    if (outcome !== "half") this.native.clear();
    this.native.add(version);
    this.readsFrom.set("native", this.linkedStore);
    const only = this.native.size === 1 ? this.secret.stored.get(version)?.fingerprint : undefined;
    this.workload("native").uses.set(SECRET, only ?? "mixed");
    if (outcome !== "ok") throw new Error("the native resource fails");
    this.nativeRef = ref;
  }

  removeNative(): void {
    this.nativeRef = null;
    this.native.clear();
    this.workload("native").uses.clear();
  }

  endWorkload(name: string, { name: secret }: Subject): void {
    this.workload(name).uses.delete(secret);
    this.workload(name).versions.delete(secret);
    if (secret === SECRET) this.forgotten.delete(name);
  }

  /** A teardown was announced: whoever used the secret is gone, and knows it. */
  everybodyLeaves(subject: Subject): void {
    for (const name of this.workloads()) {
      this.workload(name).uses.delete(subject.name);
      this.workload(name).versions.delete(subject.name);
    }
    if (subject !== this.secret) return;
    this.readers = [];
    this.legacyInUse = false;
    this.removeNative();
  }

  /** A process that is not pinned restarts by itself and reads "current". */
  restart(name: string): void {
    for (const subject of this.subjects) {
      const store = subject === this.secret ? (this.readsFrom.get(name) ?? this.linkedStore) : subject.home;
      const version = held(store).current?.version;
      if (!this.workload(name).versions.has(subject.name) || version === undefined) continue;
      this.workload(name).versions.set(subject.name, version);
      this.workload(name).uses.set(subject.name, subject.stored.get(version)?.fingerprint ?? "");
    }
  }

  readCurrent(store: string): void {
    const version = held(store).current?.version;
    if (version !== undefined) this.readers.push({ store, version, until: this.now + GRACE });
  }

  /** The next owner of the secret: another stack with the same program. */
  handOver(): void {
    const [first, second] = OWNERS;
    this.former = this.owner;
    this.owner = new MiniStack(this.clock, this.owner.name === first ? second : first);
  }

  takeBack(): void {
    if (this.former) this.owner = this.former;
    this.former = null;
  }
}

/** What a store and the stacks held at some moment. */
export interface Backup {
  readonly store: string;
  readonly contents: Pick<ReturnType<typeof memoryStoreContents>, "body" | "current" | "versions">;
  readonly owner: MiniStack;
  readonly states: { readonly owner: Entries; readonly other: Entries };
  readonly tornDown: boolean;
}

export function backUp(world: World): Backup {
  const store = world.secret.home;
  const { body, current, versions } = memoryStoreContents(store);
  return {
    store,
    contents: { body, current, versions: new Map(versions) },
    owner: world.owner,
    states: { owner: entriesOf(world.owner), other: entriesOf(world.other) },
    tornDown: (body as LedgerState | undefined)?.status !== "live",
  };
}

export function putBack(backup: Backup, what: { readonly values: boolean }): void {
  const contents = memoryStoreContents(backup.store);
  contents.commits++;
  contents.body = backup.contents.body;
  contents.current = backup.contents.current;
  if (what.values) contents.versions = new Map(backup.contents.versions);
}
