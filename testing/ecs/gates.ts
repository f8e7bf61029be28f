/** Points at which a test can hold tasks, so that a state that passes quickly can be looked at. */

/** A task waits before it takes this state. */
export type Point = "RUNNING" | "STOPPING";

export class Gates {
  private readonly held = new Map<Point, (() => void)[]>();

  hold(point: Point): void {
    if (!this.held.has(point)) this.held.set(point, []);
  }

  release(point?: Point): void {
    for (const [name, waiting] of [...this.held]) {
      if (point !== undefined && name !== point) continue;
      this.held.delete(name);
      for (const go of waiting) go();
    }
  }

  async pass(point: Point): Promise<void> {
    const waiting = this.held.get(point);
    if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
  }
}
