import type { Site } from "./site";
export function describeInterruptions(_site: () => Site): void {}
