/** What the ecs consumer decides by what ECS shows, also where an emulator does not show it. */
import assert from "node:assert/strict";
import { isSameDefinition, registrable } from "../../provider/consumers/ecs/definitions";
import { isUnderWay, judge, type Deployment, type Goal, type Service } from "../../provider/consumers/ecs/deployments";
import { evidenceOf } from "../../provider/consumers/ecs/evidence";
import { markKey, newMark, readMark, writeMark } from "../../provider/consumers/ecs/mark";
import { namesVersion, withVersions, type Definition } from "../../provider/consumers/ecs/references";
import { goalOf } from "../../provider/consumers/ecs/renew";
import { cannotGetSecret, describeFailures, hasFailed, isAlive } from "../../provider/consumers/ecs/tasks";
import { targetOf, version } from "./checks/support";

const ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf";
const at = (seconds: number) => new Date(Date.UTC(2026, 10, 28) + seconds * 1000);

function deployment(id: string, more: Partial<Deployment> = {}): Deployment {
  const counts = { desiredCount: 2, runningCount: 2, pendingCount: 0 };
  return { id, status: "PRIMARY", taskDefinition: "arn:x/orders:2", createdAt: at(10), ...counts, ...more };
}

const service = (...deployments: Deployment[]): Service => ({ desiredCount: 2, deployments });
const TO_2: Goal = { isMeant: ({ taskDefinition }) => taskDefinition === "arn:x/orders:2" };
const FORCED = goalOf(newMark(targetOf(version("orders-db", 2)), "ecs-svc/1"));

describe("what an ecs consumer takes deployments for", () => {
  const done = deployment("ecs-svc/2", { rolloutState: "COMPLETED" });
  const stateOf = (seen: Service, goal: Goal, looks = 1) => judge(seen, goal, looks).state;

  it("is done in a steady state, with no former deployment left", () => {
    for (const goal of [TO_2, FORCED]) {
      assert.equal(stateOf(service(done), goal), "done");
      assert.equal(stateOf(service(done, deployment("ecs-svc/1", { status: "ACTIVE" })), goal), "waiting");
      assert.equal(stateOf(service({ ...done, runningCount: 1 }), goal), "waiting");
      assert.equal(stateOf(service({ ...done, rolloutState: "IN_PROGRESS" }), goal), "waiting");
      assert.equal(stateOf(service(), goal), "waiting");
    }
  });

  it("goes by the counts where ECS gives no rollout state", () => {
    assert.equal(stateOf(service(deployment("ecs-svc/2")), TO_2), "done");
    assert.equal(stateOf(service(deployment("ecs-svc/2", { pendingCount: 1 })), TO_2), "waiting");
  });

  it("has failed when ECS puts the former one back, under its id or under one of its own", () => {
    const reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.";
    const failed = deployment("ecs-svc/2", {
      status: "ACTIVE",
      rolloutState: "FAILED",
      rolloutStateReason: "tasks failed to start.",
    });
    for (const id of ["ecs-svc/1", "ecs-svc/3"]) {
      const back = { rolloutStateReason: reason, rolloutState: "IN_PROGRESS" } as const;
      const forced = judge(service(deployment(id, back), failed), FORCED, 1);
      assert.equal(forced.state, "failed");
      assert.match(
        forced.detail,
        /^deployment ecs-svc\/2 failed: tasks failed to start; deployment ecs-svc\/\d of orders:2 takes its place/,
      );
      assert.equal(stateOf(service(deployment(id, back)), FORCED), "failed", "the failed one is not shown any more");
      assert.equal(isUnderWay(service(deployment(id, back)), FORCED), false);
      const former = deployment(id, { ...back, taskDefinition: "arn:x/orders:1" });
      assert.equal(stateOf(service(former, failed), TO_2), "failed");
    }
  });

  it("takes ECS's return to what is wanted for being under way", () => {
    const back = deployment("ecs-svc/1", { rolloutStateReason: "rolling back to deploymentId ecs-svc/1" });
    assert.equal(isUnderWay(service(back), TO_2), true);
    assert.equal(isUnderWay(service({ ...back, rolloutState: "FAILED" }), TO_2), false);
  });

  it("bears with answers that are too old, but not for ever", () => {
    const before = deployment("ecs-svc/1", { rolloutState: "COMPLETED", createdAt: at(0) });
    for (const goal of [
      { ...TO_2, isMeant: () => false, before },
      { ...FORCED, before },
    ]) {
      assert.equal(stateOf(service(before), goal, 1), "waiting");
      assert.equal(stateOf(service(before), goal, 3), "waiting");
      assert.equal(stateOf(service(before), goal, 4), "failed");
      assert.equal(stateOf(service({ ...before, createdAt: at(20) }), goal, 1), "failed", "it was put back since");
    }
  });
});

describe("what an ecs consumer takes tasks for", () => {
  it("counts as failed what ended by itself or was not healthy", () => {
    assert.ok(hasFailed({ stopCode: "TaskFailedToStart" }));
    assert.ok(hasFailed({ stopCode: "EssentialContainerExited" }));
    const byScheduler = (stoppedReason: string) => hasFailed({ stopCode: "ServiceSchedulerInitiated", stoppedReason });
    assert.ok(byScheduler("Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:x)"));
    assert.ok(byScheduler("Task failed container health checks"));
    assert.equal(byScheduler("Scaling activity initiated by (deployment ecs-svc/1)"), false);
    for (const stopCode of ["UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"] as const)
      assert.equal(hasFailed({ stopCode, stoppedReason: "health checks were fine" }), false, stopCode);
    assert.equal(hasFailed({}), false);
  });

  it("takes for lasting that a secret cannot be got, but not that the network failed", () => {
    const start =
      "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: ";
    const cannot = (stoppedReason: string) => cannotGetSecret({ stoppedReason: start + stoppedReason });
    assert.ok(cannot("unable to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find it"));
    assert.ok(cannot("unable to retrieve secret from asm: AccessDeniedException: not authorized"));
    assert.ok(cannot("retrieved secret from Secrets Manager did not contain json key password"));
    assert.equal(cannot("unable to retrieve secret from asm: RequestError: i/o timeout"), false);
    assert.equal(cannotGetSecret({ stoppedReason: "Essential container in task exited" }), false);
  });

  it("shows the same words once, three different ones at most, and no secret", () => {
    const ended = (id: string, reason: string) => ({
      taskArn: `arn:aws:ecs:eu-west-1:123456789012:task/prod/${id}`,
      stopCode: "EssentialContainerExited" as const,
      stoppedReason: reason,
    });
    const tasks = ["a", "a", "b s3cret", "c", "d"].map((reason, index) => ended(`t${index}`, reason));
    assert.equal(
      describeFailures(tasks, (text) => text.replaceAll("s3cret", "***")),
      "task t0 and 1 more: EssentialContainerExited: a; task t2: EssentialContainerExited: b ***; " +
        "task t3: EssentialContainerExited: c; 1 other reasons",
    );
  });

  it("has no evidence while one of another deployment may run, or one of a return under the same id", () => {
    const primary = deployment("ecs-svc/1", { createdAt: at(10) });
    const task = (startedBy: string, seconds: number, lastStatus = "RUNNING") => ({
      ...{ startedBy, createdAt: at(seconds), lastStatus, taskDefinitionArn: "arn:x/orders:2", taskArn: "arn:x/t1" },
    });
    const forced = { service: service(primary), deployment: primary, forced: {} };
    const two = [task("ecs-svc/1", 11), task("ecs-svc/1", 12)];
    assert.ok(evidenceOf(two, forced).adopted);
    assert.equal(evidenceOf([...two, task("ecs-svc/0", 5, "STOPPING")], forced).adopted, false);
    assert.equal(evidenceOf([...two, task("ecs-svc/1", 5)], forced).adopted, false);
    assert.equal(evidenceOf(two.slice(1), forced).adopted, false);
    assert.ok(isAlive({ lastStatus: "DEPROVISIONING" }));
    assert.equal(isAlive({ lastStatus: "STOPPED" }), false);
  });
});

describe("how an ecs consumer reads and writes a task definition", () => {
  const wanted = { secret: "orders-db", versionId: "id-2", arn: ARN, variable: undefined };
  const of = (...valueFrom: string[]): Definition => ({
    family: "orders",
    containerDefinitions: [
      { name: "app", secrets: valueFrom.map((one, index) => ({ name: `S${index}`, valueFrom: one })) },
    ],
  });
  const valuesIn = ({ containerDefinitions = [] }: Definition) =>
    containerDefinitions.flatMap(({ secrets = [] }) => secrets.map(({ valueFrom }) => valueFrom));

  it("knows what names a version from what names the current one", () => {
    for (const current of [ARN, `${ARN}:::`, `${ARN}:password::`, `${ARN}:password:AWSCURRENT:`])
      assert.equal(namesVersion(of(current), [wanted]), false, current);
    for (const pinned of [`${ARN}:::id-1`, `${ARN}:password::id-1`, `${ARN}:password:rotation-v1:`])
      assert.equal(namesVersion(of(pinned), [wanted]), true, pinned);
  });

  it("puts the version in, keeps the key, and leaves other secrets alone", () => {
    const withoutEnd = ARN.replace("-AbCdEf", "");
    const others = ["arn:aws:ssm:eu-west-1:123456789012:parameter/x", `${ARN.replace("AbCdEf", "GhIjKl")}:k::`];
    const revised = withVersions(
      of(ARN, `${ARN}:password:rotation-v1:`, `${ARN}:::id-1`, `${withoutEnd}:user::`, ...others),
      [wanted],
    );
    assert.deepEqual(valuesIn(revised), [
      `${ARN}:::id-2`,
      `${ARN}:password::id-2`,
      `${ARN}:::id-2`,
      `${withoutEnd}:user::id-2`,
      ...others,
    ]);
  });

  it("puts it into the secrets of the log too", () => {
    const secretOptions = [{ name: "token", valueFrom: `${ARN}:token::id-1` }];
    const logging: Definition = {
      containerDefinitions: [{ name: "app", logConfiguration: { logDriver: "splunk", secretOptions } }],
    };
    assert.ok(namesVersion(logging, [wanted]));
    assert.equal(
      withVersions(logging, [wanted]).containerDefinitions?.[0]?.logConfiguration?.secretOptions?.[0]?.valueFrom,
      `${ARN}:token::id-2`,
    );
  });

  it("compares what can be registered, in whatever order ECS shows it", () => {
    const one = { ...of(`${ARN}:a::`, `${ARN}:b::`), revision: 1, status: "ACTIVE" as const, registeredAt: at(0) };
    const container = one.containerDefinitions![0]!;
    const other: Definition = {
      ...{ revision: 2, requiresAttributes: [{ name: "x" }], compatibilities: ["FARGATE"] },
      containerDefinitions: [{ secrets: [...container.secrets!].reverse(), name: "app" }],
      family: "orders",
    };
    assert.ok(isSameDefinition(one, other));
    assert.equal(isSameDefinition(one, { ...other, cpu: "512" }), false);
    // The order of a command is not that of names.
    const commanded = (command: string[]): Definition => ({ containerDefinitions: [{ name: "app", command }] });
    assert.equal(isSameDefinition(commanded(["a", "b"]), commanded(["b", "a"])), false);
    assert.deepEqual(Object.keys(registrable(one)).sort(), ["containerDefinitions", "family"]);
  });

  it("writes a mark that a tag can hold, and reads it again", () => {
    const target = targetOf(version("orders-db", 2));
    const mark = { ...newMark(target, "ecs-svc/1234567890123456789"), settledAt: 1764331200000 };
    assert.deepEqual(readMark(writeMark(mark)), mark);
    assert.match(writeMark(mark), /^[\w ./:=+@-]{1,256}$/);
    assert.equal(readMark("something of somebody else"), undefined);
    const key = markKey(`${"ä".repeat(70)}, "orders"`, target);
    assert.match(key, /^rotation:[\w.:/=+@-]{1,119}$/);
    assert.notEqual(key, markKey("orders", target));
    assert.notEqual(markKey("orders", target), markKey("orders", targetOf(version("orders-mail", 2))));
  });
});
