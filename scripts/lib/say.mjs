// What the scripts say about their own work. All of it goes to stderr, so that the stdout of the demo and the
// closing line of the tests stay clean.

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** @param {number} ms */
export function inWords(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * Shows that something long is still going on: one plain line every 15 seconds, or, when nothing else is being
 * printed and a person looks on, one line that counts up in place.
 *
 * @param {string} what
 * @param {{ typical?: string, alone?: boolean }} [options] `alone`: nothing else prints meanwhile
 * @returns {() => void} call it when the work is over
 */
export function showProgress(what, { typical, alone = false } = {}) {
  const started = Date.now();
  const live = alone && Boolean(process.stderr.isTTY) && !process.env.CI;
  const text = () => `${what}: ${inWords(Date.now() - started)}${typical ? ` (typically ${typical})` : ""}`;
  say(`${what}${typical ? ` (typically ${typical})` : ""} …`);
  const timer = setInterval(
    () => (live ? process.stderr.write(`\r\x1b[2K${text()}`) : say(text())),
    live ? 1_000 : 15_000,
  );
  timer.unref();
  return () => {
    clearInterval(timer);
    if (live) process.stderr.write("\r\x1b[2K");
  };
}
