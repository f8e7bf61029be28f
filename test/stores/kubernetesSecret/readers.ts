import type { Site } from "./site";
export function describeReaders(_site: () => Site): void {}
