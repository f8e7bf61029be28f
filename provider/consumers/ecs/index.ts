export { createEcsConsumer } from "./consumer";
export { ecsConsumerOptions, type EcsConsumerOptions } from "./options";
