/**
 * The load: a process of its own that asks both applications at a constant rate, and knows the correct answers.
 * A query has failed when there is no correct answer within two seconds, for whatever reason. Nothing is asked twice.
 */
import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { ORDERS, correctAnswer } from "../data";
import type { LoadAnswer, LoadReport, Target } from "./load";

const LIMIT_MS = 2000;
const SHOWN_FAILURES = 20;

const targets = JSON.parse(process.argv[2] ?? "[]") as Target[];
const answers: Record<string, LoadAnswer[]> = Object.fromEntries(targets.map(({ name }) => [name, []]));
const failures: string[] = [];
let [failed, slowest, connections] = [0, 0, 0];
const open = new Set<Socket>();
let stopping = false;

/** @returns the body of the answer. */
function ask(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("error", reject);
      response.on("end", () => {
        clearTimeout(limit);
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`answered ${response.statusCode ?? 0}: ${body}`));
      });
    });
    const limit = setTimeout(() => asked.destroy(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
    asked.on("socket", count);
    asked.on("error", (error) => {
      clearTimeout(limit);
      reject(error);
    });
    asked.end();
  });
}

function count(socket: Socket): void {
  if (open.has(socket)) return;
  open.add(socket);
  connections = Math.max(connections, open.size);
  socket.once("close", () => open.delete(socket));
}

async function query({ name, url }: Target, agent: Agent, order: number): Promise<void> {
  const askedAt = Date.now();
  try {
    const body = await ask(`${url}/orders/${order}`, agent);
    const { answer, version } = JSON.parse(body) as { answer: unknown; version: number };
    if (!isDeepStrictEqual(answer, correctAnswer(order))) throw new Error(`wrong answer: ${JSON.stringify(answer)}`);
    const answeredAt = Date.now();
    if (answeredAt - askedAt > LIMIT_MS) throw new Error(`answered after ${answeredAt - askedAt} ms`);
    slowest = Math.max(slowest, answeredAt - askedAt);
    answers[name]?.push([askedAt, answeredAt, version]);
  } catch (error) {
    failed += 1;
    if (failures.length < SHOWN_FAILURES)
      failures.push(`${new Date(askedAt).toISOString()} ${name}, order ${order}: ${(error as Error).message}`);
  }
}

async function work(target: Target, number: number): Promise<void> {
  const agent = new Agent({ keepAlive: target.keepAlive, maxSockets: 1 });
  const periodMs = 1000 / target.rate;
  // Spread evenly, so that the load is constant.
  let next = Date.now() + (periodMs * number) / target.workers;
  for (let order = number; !stopping; order = (order * 31 + 7) % ORDERS) {
    await delay(Math.max(0, next - Date.now()));
    await query(target, agent, order + 1);
    // What was missed is not made up for in a burst.
    next = Math.max(next + periodMs, Date.now());
  }
  agent.destroy();
}

const workers = targets.flatMap((target) =>
  Array.from({ length: target.workers }, (_, number) => work(target, number)),
);

process.on("message", (what) => {
  if (what === "stop") stopping = true;
  void (stopping ? Promise.all(workers) : Promise.resolve()).then(() => {
    const answered = Object.values(answers).reduce((sum, list) => sum + list.length, 0);
    const report: LoadReport = { queries: answered + failed, failed, failures, connections, answers, slowest };
    process.send?.(report);
  });
});
