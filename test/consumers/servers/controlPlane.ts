/** The real control plane of Kubernetes on loopback, with simulated nodes: controllers, scheduler, kwok. */
import { join } from "node:path";
import { startKubernetes, type KubernetesServer, type Program } from "../../support/kubernetes";
import { freePort, serverFile } from "../../support/servers";
import { SimulatedKubelet } from "./simulatedKubelet";

export const NODES = ["node-1", "node-2"] as const;

export interface ControlPlane {
  readonly server: KubernetesServer;
  readonly kubelet: SimulatedKubelet;
  stop(): Promise<void>;
}

export async function startControlPlane(): Promise<ControlPlane> {
  const server = await startKubernetes(programs, nodesAreReady);
  const kubelet = new SimulatedKubelet(server);
  return {
    server,
    kubelet,
    async stop() {
      await kubelet.stop();
      await server.stop();
    },
  };
}

/** https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/ */
export function controllers(server: KubernetesServer, kubeconfig: string): Program {
  return {
    file: serverFile("bin/kube-controller-manager"),
    flags: [
      ...ofAll(kubeconfig),
      `--service-account-private-key-file=${join(server.folder, "sa.key")}`,
      `--controllers=${CONTROLLERS.join(",")}`,
      // Nobody renews a lease here.
      "--node-monitor-grace-period=1h",
      // A test makes many changes, and is not to wait for its turn.
      "--kube-api-qps=200",
      "--kube-api-burst=400",
    ],
  };
}

const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "statefulset-controller",
  "daemonset-controller",
  "namespace-controller",
  "garbage-collector-controller",
  "node-lifecycle-controller",
  "pod-garbage-collector-controller",
];

export function scheduler(kubeconfig: string): Program {
  return { file: serverFile("bin/kube-scheduler"), flags: ofAll(kubeconfig) };
}

function ofAll(kubeconfig: string): string[] {
  const files = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"];
  return [
    ...files.map((file) => `--${file}=${kubeconfig}`),
    "--bind-address=127.0.0.1",
    "--secure-port=0",
    "--leader-elect=false",
  ];
}

async function programs(server: KubernetesServer): Promise<readonly Program[]> {
  for (const name of NODES) await server.ask("admin", "POST", "/api/v1/nodes", { metadata: { name } });
  const kubeconfig = await server.kubeconfig("admin");
  const kwok = {
    file: serverFile("bin/kwok"),
    flags: [
      `--kubeconfig=${kubeconfig}`,
      "--manage-all-nodes=true",
      `--config=${join(__dirname, "stages.yaml")}`,
      `--server-address=127.0.0.1:${await freePort()}`,
    ],
  };
  return [controllers(server, kubeconfig), scheduler(kubeconfig), kwok];
}

/** Ready, and so without the taint that keeps pods away. */
async function nodesAreReady(server: KubernetesServer): Promise<boolean> {
  const { body } = await server.ask("admin", "GET", "/api/v1/nodes");
  const nodes = body.items as {
    spec: { taints?: unknown[] };
    status: { conditions?: { type: string; status: string }[] };
  }[];
  return nodes.every(
    ({ spec, status }) =>
      spec.taints === undefined && status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
}
