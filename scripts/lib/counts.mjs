// How many tests passed and failed, and the line that says so.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @param {Counts[]} all @returns {Counts} */
export function sum(all) {
  return all.reduce(
    (total, one) => ({
      passed: total.passed + one.passed,
      failed: total.failed + one.failed,
      skipped: total.skipped + one.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/**
 * What one suite counts for. A suite that crashed, was killed or ran no test has failed once more than its tests
 * say: otherwise a suite that dies early would look green.
 *
 * @param {Counts | undefined} reported by the tests themselves; undefined when they never got that far
 * @param {number | null} exitCode of the test runner; null when it was killed
 * @returns {{ counts: Counts, problem?: string }}
 */
export function judge(reported, exitCode) {
  const counts = reported ?? { passed: 0, failed: 0, skipped: 0 };
  const problem = problemOf(counts, exitCode);
  return problem === undefined ? { counts } : { counts: { ...counts, failed: counts.failed + 1 }, problem };
}

/** @param {Counts} counts @param {number | null} exitCode */
function problemOf({ passed, failed }, exitCode) {
  if (exitCode === null) return "was ended before it was done";
  if (exitCode !== 0 && failed === 0) return `stopped with exit code ${exitCode}, though no test of it failed`;
  if (passed + failed === 0) return "ran no test";
  return undefined;
}

/** @param {Counts} counts */
export function closingLine({ passed, failed }) {
  return `${passed} passed, ${failed} failed`;
}

/**
 * The last lines of a run. A suite that was run by itself ends with the line of its own, if it has one; several end with
 * the counts.
 *
 * @param {{ summary?: string | undefined }[]} suites @param {string} counts
 */
export function lastLines(suites, counts) {
  const summaries = suites.flatMap(({ summary }) => summary ?? []);
  return suites.length === 1 ? [counts, ...summaries] : [...summaries, counts];
}

/**
 * The line of a suite's own. A test that failed without a failure being counted there counts all the same.
 *
 * @param {{ summary: string, failures: number } | undefined} told @param {Counts} counts
 */
export function summaryLine(told, { failed }) {
  return told && `${told.summary} failures=${Math.max(told.failures, failed)}`;
}
