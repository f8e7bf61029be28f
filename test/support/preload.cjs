// Loaded into every Node process of a test's stack (NODE_OPTIONS): time that can be moved, and a place to stop.
//
// ROTATION_TEST_CLOCK: a file with the milliseconds by which this process's clock is ahead.
// ROTATION_TEST_KILL: `<point>:<moment>` of the seam where the process ends by SIGKILL, such as `issuer.issue:after`.
// ROTATION_TEST_HOLD: `<point>:<moment>=<file>`: creates the file there and goes on when it is gone.
"use strict";
const { existsSync, readFileSync, writeFileSync } = require("node:fs");

const clock = process.env.ROTATION_TEST_CLOCK;
if (clock && existsSync(clock)) {
  const ahead = Number(readFileSync(clock, "utf8"));
  const now = Date.now.bind(Date);
  Date.now = () => now() + ahead;
}

const kill = process.env.ROTATION_TEST_KILL;
const hold = process.env.ROTATION_TEST_HOLD;
if (kill || hold) {
  const [holdAt, holdFile] = (hold ?? "").split("=");
  globalThis[Symbol.for("pulumi-rotating-secrets.seam")] = async (point, moment) => {
    const here = `${point}:${moment}`;
    if (here === kill) process.kill(process.pid, "SIGKILL");
    if (here !== holdAt || existsSync(`${holdFile}.done`)) return;
    writeFileSync(`${holdFile}.done`, "");
    writeFileSync(holdFile, here);
    while (existsSync(holdFile)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
}
