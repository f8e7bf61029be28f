// Comparing versions such as "v3.259.0" or "3.260.0-alpha.1+dirty". A pre-release counts as its release: here the
// question is only whether a program is new enough.

/** @param {string} text @returns {[number, number, number] | undefined} */
export function parseVersion(text) {
  const found = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)] : undefined;
}

/** Negative when `a` is older than `b`, 0 when they are the same. @param {string} a @param {string} b */
export function compareVersions(a, b) {
  const left = parseVersion(a);
  const right = parseVersion(b);
  if (!left || !right) throw new Error(`"${left ? b : a}" is not a version; one looks like "3.259.0".`);
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** False also for what is no version at all. @param {string | undefined} version @param {string} oldest */
export function isAtLeast(version, oldest) {
  return version !== undefined && parseVersion(version) !== undefined && compareVersions(version, oldest) >= 0;
}
