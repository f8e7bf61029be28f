import type { Site } from "./site";
export function describeFailures(_site: () => Site): void {}
