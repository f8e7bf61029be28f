export { createEncryptionKeyKind } from "./kind";
export { encryptionKeyOptions, inputPolicy, refuses, type EncryptionKeyOptions } from "./options";
