export { ask, askOptions, type AskOptions } from "./ask";
export { createStoredKind, keyIdOf, type StoredKind } from "./kind";
export { askUsage, refusesWithoutUsage, usageOption } from "./usage";
