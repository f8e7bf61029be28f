export { refusesWithoutUsage as refuses } from "../../net/storedKind";
export { createRandomSecretKind } from "./kind";
export { inputPolicy, randomSecretOptions, type RandomSecretOptions } from "./options";
