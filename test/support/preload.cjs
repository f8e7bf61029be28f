// Loaded into every Node process of a test's stack (NODE_OPTIONS): time that can be moved, and a place to stop.
//
// ROTATION_TEST_CLOCK: a file with the milliseconds by which this process's clock is ahead.
// ROTATION_TEST_KILL: `<point>:<moment>` of the seam where the process ends by SIGKILL, such as `issuer.issue:after`.
// ROTATION_TEST_STOP: as JSON, the call at which to stop: `{ call, nth, moment, column, file }`. In the column `provider`
//   this process ends by SIGKILL, or its call's reply gets lost. In the column `engine` it waits there, until whoever
//   ends the engine has removed the file, and goes on. The file, with this process's id, says that it was stopped.
// ROTATION_TEST_HURRY: how much faster than usual repeated work is repeated.
// ROTATION_TEST_HOLD: `<point>:<moment>=<file>`: creates the file there and goes on when it is gone.
"use strict";
const { existsSync, readFileSync, writeFileSync } = require("node:fs");

const clock = process.env.ROTATION_TEST_CLOCK;
if (clock && existsSync(clock)) {
  const ahead = Number(readFileSync(clock, "utf8"));
  const now = Date.now.bind(Date);
  Date.now = () => now() + ahead;
}

const hurry = Number(process.env.ROTATION_TEST_HURRY ?? 1);
if (hurry > 1) {
  const usual = setInterval;
  globalThis.setInterval = (work, ms, ...args) => usual(work, ms / hurry, ...args);
}

const stop = process.env.ROTATION_TEST_STOP && JSON.parse(process.env.ROTATION_TEST_STOP);
if (stop) {
  const { isAt, watchSeam } = require("./stopAt.cjs");
  let target;
  const stopHere = async () => {
    writeFileSync(stop.file, String(process.pid));
    if (stop.column === "provider" && stop.moment !== "lost") process.kill(process.pid, "SIGKILL");
    while (stop.column === "engine" && existsSync(stop.file)) await new Promise((resolve) => setTimeout(resolve, 10));
    if (stop.moment !== "lost") return;
    const { UnreachableError } = require("../../dist/provider/lifecycle/errors.js");
    throw new UnreachableError("The reply was lost.");
  };
  watchSeam({
    before(effect) {
      if (target || !isAt(effect, stop)) return undefined;
      target = effect;
      return stop.moment === "before" ? stopHere() : undefined;
    },
    after: (effect) => (effect === target && stop.moment !== "before" ? stopHere() : undefined),
  });
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
