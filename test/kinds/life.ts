/** Whole lives of a secret, by the real handler, with a store in memory and a real issuer. */
import * as assert from "node:assert/strict";
import { memoryStoreContents } from "../../provider/stores/memory";
import type { StoredVersion } from "../../provider/contracts/store";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";

export const HOUR = 3_600_000;
const STORE = { type: "memory", name: "life" };

/** One stack with one secret, which needs nobody's confirmation. */
export class Life {
  /** The issuer has a clock of its own, which the run's does not get far ahead of. */
  readonly clock = new TestClock(Date.now());
  readonly stack = new MiniStack(this.clock);
  private events: Properties[] = [];

  constructor(
    private readonly kind: () => Properties,
    private readonly more: Properties = {},
  ) {
    registerMemoryAdapters();
    resetMemory();
  }

  run() {
    return this.stack.up(
      {
        name: "orders",
        kind: this.kind(),
        store: STORE,
        confirmation: "none",
        events: this.events,
        retirement: { grace: "1h", soak: "1h" },
        ...this.more,
      },
      null,
    );
  }

  /** A run that has to go well. @returns what it logged. */
  async up(): Promise<string> {
    const { error, log } = await this.run();
    assert.ifError(error);
    return log.join("\n");
  }

  /** Asks for a new version. */
  event(reason = "on-demand", more: Properties = {}): void {
    this.clock.advance(1000);
    const time = new Date(this.clock.now()).toISOString();
    // A version answers it that is issued later, by more than clocks may differ.
    this.clock.advance(HOUR / 6);
    this.events = [...this.events, { id: `event-${this.events.length + 1}`, reason, time, ...more }];
  }

  async states(): Promise<Record<string, string>> {
    const { versions } = await this.stack.ledger(STORE);
    return Object.fromEntries(versions.map(({ version, state }) => [`v${version}`, state]));
  }

  /** What readers of "current" get. */
  current(): StoredVersion {
    const { current, versions } = memoryStoreContents("life");
    const found = current === null ? undefined : versions.get(current.token);
    assert.ok(found, "something is current");
    return found;
  }

  ledger() {
    return this.stack.ledger(STORE);
  }
}
