// Mocha's own "spec" output, and beside it the counts as JSON in the file that TEST_COUNTS_FILE names. Written after
// every test, so that a suite that is killed still says how far it got.
const { writeFileSync } = require("node:fs");
const { Runner, reporters } = require("mocha");

const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_RUN_END } = Runner.constants;

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.TEST_COUNTS_FILE;
    if (!file) return;
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const count = (event, key) =>
      runner.on(event, () => {
        counts[key] += 1;
        writeFileSync(file, JSON.stringify(counts));
      });
    count(EVENT_TEST_PASS, "passed");
    count(EVENT_TEST_FAIL, "failed"); // a hook that fails counts here too
    count(EVENT_TEST_PENDING, "skipped");
    runner.on(EVENT_RUN_END, () => writeFileSync(file, JSON.stringify(counts)));
  }
};
