/** Consumers and checks in memory, for tests of the rotation itself. */
import { z } from "zod";
import type { BaselinePlan, Health, HealthCheck } from "../provider/contracts/check";
import type { Adoption, Consumer, RollTarget } from "../provider/contracts/consumer";

export interface MemoryWorkload {
  /** Fingerprints it uses now, by secret. */
  readonly uses: Map<string, string>;
  /** Versions that it does not come up with. */
  readonly refuses: Set<number>;
  /** Versions on which it is unhealthy once it uses them. */
  readonly sickOn: Set<number>;
  /** What is measured of it while it uses a version. */
  readonly measures: Map<number, number>;
  /** Versions in use now, by secret. */
  readonly versions: Map<string, number>;
  rolls: number;
}

const workloads = new Map<string, MemoryWorkload>();

export function memoryWorkload(name: string): MemoryWorkload {
  let workload = workloads.get(name);
  if (!workload) {
    workload = {
      uses: new Map(),
      refuses: new Set(),
      sickOn: new Set(),
      measures: new Map(),
      versions: new Map(),
      rolls: 0,
    };
    workloads.set(name, workload);
  }
  return workload;
}

export function resetMemoryWorkloads(): void {
  workloads.clear();
}

export const memoryConsumerOptions = z.strictObject({
  type: z.literal("memory"),
  name: z.string(),
  wave: z.number().optional(),
  pinned: z.boolean().optional(),
  readersCacheMs: z.number().optional(),
  declared: z.boolean().optional(),
});

export function createMemoryConsumer(options: z.infer<typeof memoryConsumerOptions>): Consumer {
  const workload = memoryWorkload(options.name);
  return {
    name: options.name,
    wave: options.wave ?? 0,
    pinned: options.pinned ?? true,
    ...(options.readersCacheMs === undefined ? {} : { readersCacheMs: options.readersCacheMs }),
    hasEvidence: true,
    isDeclared: options.declared ?? false,
    async roll(target: RollTarget) {
      workload.rolls++;
      for (const secret of target.secrets) {
        if (workload.refuses.has(secret.ref.version))
          throw new Error(`it does not come up with v${secret.ref.version}`);
        workload.uses.set(secret.secret, secret.fingerprint);
        workload.versions.set(secret.secret, secret.ref.version);
      }
    },
    async confirm(target: RollTarget): Promise<Adoption> {
      const adopted = target.secrets.every((secret) => workload.uses.get(secret.secret) === secret.fingerprint);
      return { adopted, detail: `uses ${[...workload.uses.values()].join(", ")}` };
    },
  };
}

export const memoryCheckOptions = z.strictObject({
  type: z.literal("memory"),
  name: z.string(),
  workload: z.string(),
  /** Asks for the fingerprint instead of the health. */
  evidence: z.boolean().optional(),
  /** With `evidence`: the one secret that it uses of those that are rolled out. */
  secret: z.string().optional(),
  bakeMs: z.number().optional(),
  baseline: z.custom<BaselinePlan>().optional(),
});

export function createMemoryCheck(options: z.infer<typeof memoryCheckOptions>): HealthCheck {
  const workload = memoryWorkload(options.workload);
  return {
    name: options.name,
    schedule: {
      intervalMs: 1000,
      timeoutMs: 1000,
      failureThreshold: 2,
      bakeMs: options.bakeMs ?? 0,
      withinMs: 0,
      ...(options.baseline ? { baseline: options.baseline } : {}),
    },
    canary: false,
    isEvidence: options.evidence ?? false,
    async probe(target: RollTarget): Promise<Health> {
      if (options.evidence) {
        const healthy = target.secrets
          .filter((one) => options.secret === undefined || one.secret === options.secret)
          .every((one) => workload.uses.get(one.secret) === one.fingerprint);
        return {
          healthy,
          detail: `uses ${[...workload.uses.values()].join(", ")}`,
          ...(healthy ? {} : { contradicts: true }),
        };
      }
      const sick = [...workload.versions.values()].filter((version) => workload.sickOn.has(version));
      const measured = [...workload.versions.values()].flatMap((version) => workload.measures.get(version) ?? []);
      const value = measured.length > 0 ? { value: Math.max(...measured) } : {};
      return sick.length > 0
        ? { healthy: false, detail: `sick on v${sick.join(", v")}`, ...value }
        : { healthy: true, detail: "well", ...value };
    },
    async close() {},
  };
}
