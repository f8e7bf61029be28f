import { createMemoryAuditSink, memoryAuditTrail, resetMemoryAuditTrails } from "../../../provider/audit/memory";
import type { AuditEvent } from "../../../provider/contracts/audit";
import { auditConformance } from "../../../testing/auditConformance";
import { testContext } from "../stores/support";

describe("the audit trail in memory", () => {
  const harness = {
    fresh: async () => resetMemoryAuditTrails(),
    open: async () => createMemoryAuditSink({ type: "memory", name: "test" }, testContext()),
    makeUnwritable: async () => {
      memoryAuditTrail("test").unwritable = true;
    },
    tamper: async (change: (events: readonly AuditEvent[]) => readonly AuditEvent[]) => {
      const trail = memoryAuditTrail("test");
      trail.events = [...change(trail.events.filter((event) => event !== null))];
    },
  };
  for (const c of auditConformance(harness)) it(c.name, c.run);
});
