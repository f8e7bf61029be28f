export {
  createMemoryStore,
  memoryStoreContents,
  memoryStoreOptions,
  resetMemoryStores,
  type MemoryStoreContents,
  type MemoryStoreOptions,
} from "./store";
