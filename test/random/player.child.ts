/** A process that plays the blocks that it is sent, one after the other. */
import { installBoundary } from "./boundary";
import { playBlock, type Block } from "./player";

installBoundary();
// Whoever asked is gone.
process.on("disconnect", () => process.exit());
process.on("message", (block: Block) => {
  playBlock(block).then(
    (played) => process.send?.(played),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
