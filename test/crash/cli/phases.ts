/** Which phase of its scenario a call belongs to, and one call for each. */
import type { Row } from "../cells";
import { MOMENTS } from "../cells";
import type { Moment } from "../victim";
import type { Column } from "./cliSite";

/** By who asks for the call, the first that fits. */
const PHASES: readonly (readonly [RegExp, string])[] = [
  [/^session\.ts/, "lease"],
  [/ (propose|firstVersion): /, "proposed"],
  [/ (stage|storeNew|makeValue): /, "staged"],
  [/ issue: /, "issued"],
  [/^rotate\.ts (setPhase|distribute): /, "verified"],
  [/ promote: /, "promoting"],
  [/^return\.ts | revertConsumers: /, "returning"],
  [/^rollout\.ts leave: /, "leaving"],
  [/^rollout\.ts /, "confirming"],
  [/ disable/, "disabling"],
  [/^retire\.ts (destroy|revokeUnlessUsed|proveDead): /, "retiring"],
  [/^teardown\.ts /, "tearing down"],
];

export function phaseOf(row: Row): string {
  const asked = row.point.sites[0] ?? "";
  return PHASES.find(([pattern]) => pattern.test(asked))?.[1] ?? "other";
}

export interface CliCell {
  readonly row: Row;
  readonly moment: Moment;
  readonly column: Column;
}

export const COLUMNS: readonly Column[] = ["provider", "engine"];

/** Every cell of the whole matrix. */
export function everyCell(rows: readonly Row[]): CliCell[] {
  return rows.flatMap((row) => MOMENTS.flatMap((moment) => COLUMNS.map((column) => ({ row, moment, column }))));
}

/**
 * One cell for each phase of a scenario. Over all scenarios moments and columns take turns.
 * @param begin how many cells have been chosen before.
 */
export function oneForEachPhase(rows: readonly Row[], begin: number): CliCell[] {
  const phases = new Map<string, Row[]>();
  for (const row of rows) {
    const phase = phaseOf(row);
    if (phase !== "lease" && phase !== "other") phases.set(phase, [...(phases.get(phase) ?? []), row]);
  }
  return [...phases.values()].map((found, index) => {
    const turn = begin + index;
    return {
      row: found[(turn * 5) % found.length] as Row,
      moment: MOMENTS[turn % MOMENTS.length] as Moment,
      column: COLUMNS[Math.floor(turn / MOMENTS.length) % COLUMNS.length] as Column,
    };
  });
}
