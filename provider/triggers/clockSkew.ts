/** How far the clocks of whoever reports an event and of the pipeline may differ, in ms (rule 16). */
export const ALLOWED_CLOCK_SKEW_MS = 60_000;
