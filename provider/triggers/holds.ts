/** What holds a rotation back that is due by schedule: it waits for a window, and for the end of each blackout. */
import { describeBlackout, endOfBlackout, isInBlackout, type Blackout } from "./blackouts";
import { describeWindow, isInWindow, nextInWindow, type RotationWindow } from "./windows";

export interface Holds {
  /** One of them has to be open; none: any time will do. */
  readonly windows: readonly RotationWindow[];
  readonly blackouts: readonly Blackout[];
}

/** A window each week between blackouts of every year is found within as many; more means never. */
const MOST_STEPS = 2000;

/** What holds back at that moment, for people; `null`: nothing. */
export function heldBy(holds: Holds, now: number): string | null {
  const blackout = holds.blackouts.find((one) => isInBlackout(one, now));
  if (blackout) return `the end of the blackout (${describeBlackout(blackout)})`;
  if (holds.windows.length === 0 || holds.windows.some((one) => isInWindow(one, now))) return null;
  return `its window (${holds.windows.map(describeWindow).join("; ")})`;
}

/** The first moment from `now` on at which nothing holds back; `null`: there is none. */
export function nextAllowed(holds: Holds, now: number): number | null {
  let moment: number | null = now;
  for (let step = 0; step < MOST_STEPS && moment !== null; step++) {
    const next = nextStep(holds, moment);
    if (next === moment) return moment;
    moment = next;
  }
  return null;
}

/** A moment before which something certainly holds back. */
function nextStep({ windows, blackouts }: Holds, now: number): number | null {
  const blackout = blackouts.find((one) => isInBlackout(one, now));
  if (blackout) return endOfBlackout(blackout, now);
  if (windows.length === 0) return now;
  const openings = windows.map((one) => nextInWindow(one, now)).filter((one) => one !== null);
  return openings.length === 0 ? null : Math.min(...openings);
}
