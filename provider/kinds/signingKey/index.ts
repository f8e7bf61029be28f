export { createSigningKeyKind } from "./kind";
export { inputPolicy, refuses, signingKeyOptions, type SigningKeyOptions } from "./options";
