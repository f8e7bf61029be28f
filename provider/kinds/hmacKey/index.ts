export { refusesWithoutUsage as refuses } from "../../net/storedKind";
export { createHmacKeyKind } from "./kind";
export { hmacKeyOptions, inputPolicy, type HmacKeyOptions } from "./options";
