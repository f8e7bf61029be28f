export { createMemoryStore, memoryStoreOptions, resetMemoryStores, type MemoryStoreOptions } from "./store";
