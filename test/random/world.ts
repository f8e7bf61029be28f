/**
 * The world between the runs: clocks, the program as it is now, two stacks, and whoever uses a version. It mirrors what
 * the stores hold, so that the invariants can be checked after every single effect.
 */
import { createMemoryStore, resetMemoryStores } from "../../provider/stores/memory";
import { resetMemoryAuditTrails } from "../../provider/audit/memory";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import type { StoredVersion, VersionRef } from "../../provider/contracts/store";
import { memoryIssuer, resetMemoryIssuers } from "../../testing/memoryKind";
import { memoryWorkload, resetMemoryWorkloads, type MemoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, TestClock, type Properties } from "../support/miniEngine";

export const SECRET = "orders-db";
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const GRACE = HOUR;
export const LEGACY = "legacy";

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
}

/** The store as its owner would see it: kept by the boundary, so that looking at it costs nothing. */
export interface Mirror {
  body: LedgerState | null;
  current: VersionRef | null;
  readonly versions: Map<string, StoredVersion>;
}

/** Somebody who read "current" and keeps it for the grace period. */
export interface Reader {
  readonly store: string;
  readonly version: number;
  readonly until: number;
}

export class World {
  readonly clock = new TestClock();
  /** By how much the clock was set back. */
  private setBack = 0;
  readonly owner = new MiniStack(this.clock);
  readonly other = new MiniStack(this.clock, "org/reports/prod");
  readonly mirrors = new Map<string, Mirror>();
  /** Everything ever stored, by version number: numbers never start again. */
  readonly stored = new Map<number, StoredVersion>();
  readonly passwords = new Set<string>();

  // The program.
  home = "db";
  migrateFrom: string | null = null;
  readonly events: { id: string; reason: string; time: string }[] = [];
  grants = 0;
  /** Whether the other stack's program is there. */
  otherDeclared = false;

  /** Whether the program, or the whole stack, is being taken away. */
  ending = false;

  // Users.
  nativeRef: string | null = null;
  native = new Set<number>();
  legacyInUse: boolean;
  readers: Reader[] = [];
  /** From which store each workload reads. */
  readonly readsFrom = new Map<string, string>();
  /** Credentials issued up to then are compromised. */
  compromisedBefore = -Infinity;

  readonly setup: Setup;

  constructor(setup: Setup) {
    // Where the program says that the owning stack has no users of its own, it has none.
    this.setup = { ...setup, dependents: setup.dependents && setup.confirmation === "required" };
    resetMemoryStores();
    resetMemoryIssuers();
    resetMemoryWorkloads();
    resetMemoryAuditTrails();
    const issuer = memoryIssuer("issuer");
    issuer.minted = setup.minted;
    // Users that no rollout of the owning stack stands for cannot be known.
    this.legacyInUse = setup.adopt && setup.confirmation === "required";
    if (!setup.adopt) return;
    process.env["ROTATION_TEST_LEGACY"] = "the-legacy-password";
    this.passwords.add("the-legacy-password");
    issuer.credentials.set(LEGACY, {
      name: LEGACY,
      identity: "",
      rotationId: "",
      password: "the-legacy-password",
      enabled: true,
      works: true,
      users: new Set(),
    });
  }

  get issuer() {
    return memoryIssuer("issuer");
  }

  /** Time as it really passes, also where the clock was set back. */
  get now(): number {
    return this.clock.time + this.setBack;
  }

  setClockBack(ms: number): void {
    this.clock.time -= ms;
    this.setBack += ms;
  }

  mirror(store: string): Mirror {
    let mirror = this.mirrors.get(store);
    if (!mirror) this.mirrors.set(store, (mirror = { body: null, current: null, versions: new Map() }));
    return mirror;
  }

  get ledger(): LedgerState | null {
    return this.mirror(this.home).body;
  }

  /** Where the link of the secret leads. */
  get linkedStore(): string {
    return (this.owner.secret?.outputs["store"] as { name: string } | undefined)?.name ?? this.home;
  }

  /** A lease that a run has to respect, as it looks from outside. */
  foreignLease(store = this.home) {
    const lease = this.mirror(store).body?.lease;
    return lease && lease.expiresAt > this.clock.now() && lease.processStart !== "0" ? lease : null;
  }

  /** From now on everybody can know that the process that holds a lease is gone. */
  async showHolderDead(): Promise<void> {
    for (const [name, { body }] of this.mirrors) {
      if (!body?.lease) continue;
      const store = createMemoryStore({ type: "memory", name }, {} as never);
      const next = { ...body, lease: { ...body.lease, processStart: "0" } };
      await store.commit(next, (await store.load()).revision);
      this.mirror(name).body = next;
    }
  }

  secretArgs(): Properties {
    const { soak, confirmation, replica } = this.setup;
    return {
      name: SECRET,
      kind: { type: "memory", name: "issuer", ...(this.grants > 0 ? { grants: [`g${this.grants}`] } : {}) },
      store: { type: "memory", name: this.home },
      schedule: { every: "90d" },
      retirement: { grace: "1h", soak },
      confirmation,
      events: [...this.events],
      ...(replica ? { replicas: [{ type: "memory", name: "replica" }] } : {}),
      ...(this.mayMigrate ? { migrateFrom: { type: "memory", name: this.migrateFrom } } : {}),
      ...(this.mayAdopt
        ? { adopt: { username: LEGACY, password: { from: "env", name: "ROTATION_TEST_LEGACY" } } }
        : {}),
    };
  }

  /** Who starts anew does not ask to adopt what is no longer there. */
  private get mayAdopt(): boolean {
    const anew = !this.ledger || this.ledger.status === "torn-down";
    return this.setup.adopt && (!anew || this.issuer.credentials.has(LEGACY));
  }

  /** What was torn down where it was cannot be moved; the error says so, and who reads it takes that out. */
  private get mayMigrate(): boolean {
    return this.migrateFrom !== null && this.mirror(this.migrateFrom).body?.status !== "torn-down";
  }

  readonly ownRollout = (link: Properties): Properties => {
    const { dependents, pinned } = this.setup;
    return {
      name: "orders",
      secrets: [link],
      consumers: [{ type: "memory", name: "api", pinned }],
      checks: [
        { type: "memory", name: "api-health", workload: "api" },
        ...(dependents ? [{ type: "memory", name: "native-uses", workload: "native", evidence: true }] : []),
      ],
      dependents: dependents ? 1 : 0,
    };
  };

  readonly otherRollout = (link: Properties): Properties => ({
    name: "reports",
    secrets: [link],
    consumers: [{ type: "memory", name: "reports", pinned: this.setup.pinned }],
    checks: [{ type: "memory", name: "reports-health", workload: "reports" }],
  });

  /** A resource of the program that takes the reference; the engine applies it only where it has changed. */
  applyNative(ref: string, outcome: "ok" | "before" | "half" | "after"): void {
    if (ref === this.nativeRef) return;
    if (outcome === "before") throw new Error("the native resource fails");
    const version = Number(/\/v(\d+)@/.exec(ref)?.[1]);
    if (outcome !== "half") this.native.clear();
    this.native.add(version);
    this.readsFrom.set("native", this.linkedStore);
    const only = this.native.size === 1 ? this.stored.get(version)?.fingerprint : undefined;
    this.workload("native").uses.set(SECRET, only ?? "mixed");
    if (outcome !== "ok") throw new Error("the native resource fails");
    this.nativeRef = ref;
  }

  removeNative(): void {
    this.nativeRef = null;
    this.native.clear();
    this.workload("native").uses.clear();
  }

  workload(name: string): MemoryWorkload {
    return memoryWorkload(name);
  }

  endWorkload(name: string): void {
    this.workload(name).uses.clear();
    this.workload(name).versions.clear();
  }

  /** A teardown was announced: whoever used the secret is gone, and knows it. */
  everybodyLeaves(): void {
    this.readers = [];
    this.legacyInUse = false;
    this.removeNative();
    this.endWorkload("api");
    this.endWorkload("reports");
  }

  /** A process that is not pinned restarts by itself and reads "current". */
  restart(name: string): void {
    const mirror = this.mirror(this.readsFrom.get(name) ?? this.linkedStore);
    const version = mirror.current?.version;
    if (!this.workload(name).versions.has(SECRET) || version === undefined) return;
    this.workload(name).versions.set(SECRET, version);
    this.workload(name).uses.set(SECRET, this.stored.get(version)?.fingerprint ?? "");
  }

  readCurrent(store: string): void {
    const version = this.mirror(store).current?.version;
    if (version !== undefined) this.readers.push({ store, version, until: this.now + GRACE });
  }
}
