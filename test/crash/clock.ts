import { setTimeout as delay } from "node:timers/promises";
import { TestClock } from "../support/miniEngine";

/** Real time that can be moved ahead: what is waited for here is other processes. */
export class ShiftedClock extends TestClock {
  constructor(public ahead = 0) {
    super();
  }
  override now(): number {
    return Date.now() + this.ahead;
  }
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await delay(ms, undefined, signal ? { signal } : {});
  }
  override advance(ms: number): void {
    this.ahead += ms;
  }
}
