import { installBoundary } from "./boundary";
import { former, plain } from "./former";
import { play } from "./sequence";

describe("a sequence that once broke a promise does so no more:", () => {
  let uninstall: () => void;
  before(() => (uninstall = installBoundary()));
  after(() => uninstall());

  for (const { what, setup, actions } of former)
    it(what, async () => {
      await play({ ...plain, ...setup }, actions);
    });
});
