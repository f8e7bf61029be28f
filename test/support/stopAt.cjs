// Watches the side effects of this process at the library's seam, knows who asked for each, and stops the process at
// one of them. Plain JavaScript: it is loaded into the providers of real stacks, and into the runs of the crash matrix.
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");

/** What a session asks the seam for on behalf of its callers, so that the caller is the one who asked. */
const ON_BEHALF = ["commit", "createLedger", "promoteEverywhere", "clearCurrentEverywhere"];

const asking = new AsyncLocalStorage();

/** The frames of the code of the library, the nearest first, as `file:line:column`, with the function's name. */
function libraryFrames() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 20;
  Error.prepareStackTrace = (_error, frames) => frames;
  const frames = new Error().stack;
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  return frames.flatMap((frame) => {
    const [, file] = /\/dist\/((?:provider|cli)\/.*)$/.exec(frame.getFileName() ?? "") ?? [];
    if (!file || file === "provider/rotation/effects.js") return [];
    return [
      { file, line: frame.getLineNumber(), column: frame.getColumnNumber(), name: frame.getFunctionName() ?? "" },
    ];
  });
}

function whoAsks() {
  const [first, second] = libraryFrames();
  const behalf = first?.file === "provider/rotation/session.js" && ON_BEHALF.includes(first.name);
  return behalf ? second : first;
}

/**
 * @param {{ before(effect: { call: string, nth: number, fn: string, point: string }): void | Promise<void>,
 *   after(effect: object): void | Promise<void> }} watcher `call` tells one call in the code from another, with who asked
 *   for it; `nth` counts how often this process came to it; `fn` is the function in which it was asked for.
 */
function watchSeam(watcher) {
  const seen = new Map();
  const count = (call) => {
    seen.set(call, (seen.get(call) ?? 0) + 1);
    return seen.get(call);
  };
  const hook = async (point, moment) => {
    const mine = asking.getStore() ?? { chain: [] };
    if (moment === "after") return watcher.after(mine.effect);
    const call = [...mine.chain.map(({ file, line, column }) => `${file}:${line}:${column}`), point].join(" ");
    mine.effect = { call, nth: count(call), fn: mine.chain[0]?.name ?? "", point };
    return watcher.before(mine.effect);
  };
  hook.asked = (work) => {
    const who = whoAsks();
    const chain = [...(asking.getStore()?.chain ?? []), ...(who ? [who] : [])];
    return asking.run({ chain }, work);
  };
  globalThis[Symbol.for("pulumi-rotating-secrets.seam")] = hook;
}

/** Whether this is the effect at which to stop: by its `call` and `nth`, or the first with that `point` and `fn`. */
function isAt(effect, stop) {
  if (stop.call !== undefined) return effect.call === stop.call && effect.nth === stop.nth;
  return (stop.fn === undefined || effect.fn === stop.fn) && effect.point === stop.point;
}

module.exports = { watchSeam, isAt };
