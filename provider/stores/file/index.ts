export { fileStoreOptions, type FileStoreOptions } from "./options";
export { createFileStore } from "./store";
