/** An audit trail in the memory of this process, for tests. */
import { z } from "zod";
import type { AdapterContext } from "../contracts/context";
import type { AuditEvent, AuditSink } from "../contracts/audit";
import { UnreachableError } from "../lifecycle/errors";
import { disagreement, refuseWrongHash } from "./refusals";

export const memoryAuditOptions = z.strictObject({
  type: z.literal("memory"),
  /** Sinks with the same name are the same trail. */
  name: z.string("name must be a text").min(1, "name must not be empty"),
});

export type MemoryAuditOptions = z.infer<typeof memoryAuditOptions>;

/** The trail itself, for tests to look at and to damage. */
export interface MemoryAuditTrail {
  /** In the order in which they were written; `null` is a line that cannot be read. */
  events: (AuditEvent | null)[];
  /** While true, nothing can be recorded. */
  unwritable: boolean;
}

const trails = new Map<string, MemoryAuditTrail>();

export function memoryAuditTrail(name: string): MemoryAuditTrail {
  let trail = trails.get(name);
  if (trail === undefined) {
    trail = { events: [], unwritable: false };
    trails.set(name, trail);
  }
  return trail;
}

export function resetMemoryAuditTrails(): void {
  trails.clear();
}

export function createMemoryAuditSink({ name }: MemoryAuditOptions, _context: AdapterContext): AuditSink {
  const location = `memory:${name}`;
  return {
    type: "memory",
    location,
    async probe() {
      refuseUnwritable(name, location);
    },
    async record(event) {
      const trail = memoryAuditTrail(name);
      refuseWrongHash(event, location);
      refuseUnwritable(name, location);
      const stored = trail.events.find((other) => other?.identity === event.identity && other.seq === event.seq);
      if (stored && stored.hash !== event.hash) throw disagreement(event, stored.hash, location);
      if (!stored) trail.events.push(structuredClone(event));
    },
    async read(identity) {
      return structuredClone(
        memoryAuditTrail(name).events.filter((event) => event === null || event.identity === identity),
      );
    },
    async close() {
      // Nothing is kept open.
    },
  };
}

function refuseUnwritable(name: string, location: string): void {
  if (!memoryAuditTrail(name).unwritable) return;
  throw new UnreachableError(`The audit trail ${location} cannot be written. Make it writable, then run again.`);
}
