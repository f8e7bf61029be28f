// A small application: it logs in with its credential when it starts and at each request, and says by which version.
// It reads its credential once, from its environment.
const http = require("node:http");

const { ISSUER = "", PASSWORD = "", VERSION = "" } = process.env;

function logIn() {
  return new Promise((resolve, reject) => {
    const call = http.request(`${ISSUER}/login`, { method: "POST", agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(String(answer.statusCode)))));
    });
    call.on("error", reject);
    call.end(PASSWORD);
  });
}

const server = http.createServer((request, response) => {
  logIn().then(
    () => response.end(VERSION),
    () => {
      response.statusCode = 500;
      response.end("the credential does not work");
    },
  );
});

// Whoever started it is gone.
process.on("disconnect", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
logIn().then(
  () => server.listen(0, "127.0.0.1", () => process.send({ listening: server.address().port })),
  () => process.exit(7),
);
