// An application on Cloud Run: logs in with the credential that it finds, at its start and for each request.
const { existsSync, readFileSync } = require("node:fs");
const http = require("node:http");

const { PORT, CONTAINER_ROOT, ISSUER, DB_SECRET, MAIL_SECRET, NO_LOGIN_AT_START } = process.env;
const file = `${CONTAINER_ROOT}/secrets/db.json`;
const credential = () => JSON.parse(existsSync(file) ? readFileSync(file, "utf8") : DB_SECRET);

function logIn() {
  return new Promise((resolve) => {
    const asked = http.request(ISSUER, { method: "POST", agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on("error", () => resolve(false));
    asked.end(JSON.stringify(credential()));
  });
}

const server = http.createServer((_request, response) => {
  logIn().then((isIn) => {
    const mail = MAIL_SECRET === undefined ? undefined : JSON.parse(MAIL_SECRET).username;
    response.writeHead(isIn ? 200 : 500, { "content-type": "application/json" });
    response.end(JSON.stringify({ username: credential().username, mail, revision: process.env.K_REVISION }));
  });
});

(NO_LOGIN_AT_START ? Promise.resolve(true) : logIn()).then((isIn) => {
  if (!isIn) process.exit(1);
  server.listen(Number(PORT), "127.0.0.1");
});
