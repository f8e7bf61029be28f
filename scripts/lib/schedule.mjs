// Which preparation is awaited before which suite. All start at once; a suite waits only for what it needs itself, and
// one that cannot be had fails only the suites that need it.

/**
 * @typedef {{ needsPulumi: boolean, needsServers?: string[] }} Suite
 * @typedef {{ found: any } | { error: unknown }} Outcome
 */

/** What a suite cannot start without: "pulumi", or the name of a server. @param {Suite} suite */
export function needsOf({ needsPulumi, needsServers = [] }) {
  return [...(needsPulumi ? ["pulumi"] : []), ...needsServers];
}

/**
 * What to prepare, in the order in which it is needed.
 *
 * @param {string[]} names of suites, in the order in which they run @param {Record<string, Suite>} suites
 * @returns {{ need: string, background: boolean, live: boolean }[]} `background`: suites run before it is needed, and it
 *   gives way to them; `live`: nothing else prints while it is prepared
 */
export function preparationsFor(names, suites) {
  const needs = [...new Set(names.flatMap((name) => needsOf(suites[name])))];
  return needs.map((need) => {
    const background = !needsOf(suites[names[0]]).includes(need);
    return { need, background, live: !background && needs.length === 1 };
  });
}

/**
 * Starts all preparations: those of one lane one after the other, lanes at the same time. One that fails is an outcome
 * like any other, and the next of its lane goes on.
 *
 * @template {{ need: string }} P
 * @param {P[]} preparations @param {(need: string) => string} laneOf @param {(preparation: P) => Promise<any>} get
 * @returns {Record<string, Promise<Outcome>>}
 */
export function startAll(preparations, laneOf, get) {
  const lastOf = {};
  const started = {};
  for (const preparation of preparations) {
    const lane = laneOf(preparation.need);
    const before = lastOf[lane] ?? Promise.resolve();
    lastOf[lane] = started[preparation.need] = before
      .then(() => get(preparation))
      .then(
        (found) => ({ found }),
        (error) => ({ error }),
      );
  }
  return started;
}

/**
 * Runs the suites one after the other, each as soon as what it needs is there.
 *
 * @template R
 * @param {string[]} names @param {Record<string, Suite>} suites @param {Record<string, Promise<Outcome>>} started
 * @param {{ run: (name: string, found: Record<string, any>) => Promise<R>,
 *   refuse: (name: string, errors: unknown[]) => R }} what `refuse`: instead of running one that lacks something
 * @returns {Promise<R[]>}
 */
export async function runInOrder(names, suites, started, { run, refuse }) {
  const results = [];
  for (const name of names) {
    const needs = needsOf(suites[name]);
    const outcomes = await Promise.all(needs.map((need) => started[need]));
    const errors = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
    const found = Object.fromEntries(needs.map((need, index) => [need, outcomes[index].found]));
    results.push(errors.length > 0 ? refuse(name, errors) : await run(name, found));
  }
  return results;
}
