import { consumerConformance } from "../../testing/consumerConformance";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { LambdaSite, withCredentials } from "./lambda/site";

describe("the consumer lambda conforms", function () {
  this.timeout(120_000);
  withCredentials();
  let postgres: PostgresServer;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  for (const c of consumerConformance({ open: () => LambdaSite.open(postgres) })) it(c.name, c.run);
});
