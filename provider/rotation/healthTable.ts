/** What health checks saw, for the person who reads the run. Plain lines, in a terminal as in a pipeline. */
import { describeNumber } from "../lifecycle/baseline";
import type { HealthReport } from "./progress";

/** Of a longer detail only the beginning is in the table; the whole is in the outputs and the audit trail. */
const LONGEST_DETAIL = 160;

/** @returns a headline, and one line for each check in aligned columns. */
export function healthTable(rollout: string, reports: readonly HealthReport[]): string {
  const rows = [
    ["check", "is", "answers", "unhealthy", "value", "last"],
    ...reports.map((report) => [
      report.name,
      report.unhealthyBefore ? "unhealthy, as before" : standing(report),
      String(report.samples),
      String(report.unhealthySamples),
      valueOf(report),
      shorten(report.lastDetail),
    ]),
  ];
  const measures = reports.some(({ value }) => value !== undefined);
  const shown = rows.map((cells) => (measures ? cells : cells.filter((_cell, column) => column !== 4)));
  const widths = shown[0]?.map((_cell, column) => Math.max(...shown.map((cells) => cells[column]?.length ?? 0))) ?? [];
  const lines = shown.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  const healthy = reports.filter((report) => report.healthy).length;
  const headline = `${rollout}: ${healthy} of ${reports.length} health checks healthy`;
  return [headline, ...lines.map((line) => `  ${line.trimEnd()}`)].join("\n");
}

/** In a few words. One that is neither healthy nor failed was stopped, because another one failed. */
export function standing({ healthy, unhealthyBefore, failedAt }: HealthReport): string {
  if (healthy) return "healthy";
  if (unhealthyBefore) return "unhealthy before the rotation as well";
  return failedAt === undefined ? "stopped" : "unhealthy";
}

export function sayHealth(health: HealthReport): string {
  return `check ${health.name}: ${health.lastDetail}`;
}

function valueOf({ value, valueBefore }: HealthReport): string {
  if (value === undefined) return "";
  return valueBefore === undefined
    ? describeNumber(value)
    : `${describeNumber(value)} (was ${describeNumber(valueBefore)})`;
}

function shorten(detail: string): string {
  const line = detail.replace(/\s+/g, " ");
  return line.length > LONGEST_DETAIL ? `${line.slice(0, LONGEST_DETAIL - 3)}...` : line;
}
