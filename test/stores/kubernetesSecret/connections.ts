import type { Site } from "./site";
export function describeConnections(_site: () => Site): void {}
