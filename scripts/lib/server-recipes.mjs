// The servers that tests need: one entry each says what it is made from, how, and where it is found afterwards.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { unpackDebianPackages } from "./debian-packages.mjs";
import { GET_GO, goBuild, hasGo } from "./go-build.mjs";
import { ROOT } from "./paths.mjs";
import { Problem } from "./problem.mjs";
import { makePythonEnvironment } from "./python-environment.mjs";

/** How each is made, raised when the same sources are made into something else. */
const GO_RECIPE = 1;
const PYTHON_RECIPE = 1;
const DEBIAN_RECIPE = 1;

/** Servers of one lane are made one after the other: a Go build takes all cores, an installation waits for the network. */
export const GO_LANE = "build";
const INSTALL_LANE = "install";

const KUBERNETES = "1.37.2";
const [major, minor] = KUBERNETES.split(".");

/**
 * @typedef {{ background: boolean, live: boolean }} Manner as for any Go build
 * @typedef {object} Server
 * @property {string} title what people call it, with its version
 * @property {string} version
 * @property {string} lane
 * @property {() => string} identity changes whenever what is made would be another
 * @property {(folder: string, manner: Manner) => Promise<void>} make fills an empty folder
 * @property {{ program: string, args: string[], says: string }} proof a program in the folder, and what it prints when
 *   all is well
 * @property {Record<string, string>} places path in the folder of servers that tests get -> path in this one's folder
 *
 * @type {Record<string, Server>}
 */
export const SERVERS = {
  vault: goServer({
    title: "Vault",
    version: "1.21.0",
    typical: "4 to 8 minutes on two cores",
    sources: "test/servers/vault",
    program: ".",
    file: "vault-dev",
    ownCode: ["main.go"],
    proof: { args: [], says: "usage: vault-dev" },
  }),
  etcd: goServer({
    title: "etcd",
    version: "3.6.16",
    typical: "about a minute on two cores",
    sources: "test/servers/etcd",
    program: "go.etcd.io/etcd/server/v3",
    file: "etcd",
    proof: { args: ["--version"], says: "etcd Version: 3.6.16" },
  }),
  "kube-apiserver": kubernetes("kube-apiserver", "about 6 minutes on two cores"),
  "kube-controller-manager": kubernetes(
    "kube-controller-manager",
    "about 2 minutes on two cores, after kube-apiserver",
  ),
  "kube-scheduler": kubernetes("kube-scheduler", "half a minute on two cores, after kube-controller-manager"),
  kubelet: kubernetes("kubelet", "about a minute on two cores, after kube-apiserver", "test/servers/kubelet"),
  // Nodes and pods that are only said to run.
  kwok: goServer({
    title: "kwok",
    version: "0.8.0",
    typical: "2 minutes on two cores",
    sources: "test/servers/kwok",
    program: "sigs.k8s.io/kwok/cmd/kwok",
    file: "kwok",
    proof: { args: ["--version"], says: "kwok version v0.8.0" },
  }),
  // What a kubelet runs pods with.
  containers: debianPackages({
    title: "containerd",
    typical: "under a minute",
    packages: ["containerd", "runc", "containernetworking-plugins", "busybox-static"],
    proof: { program: "usr/bin/containerd", args: ["--version"], says: "containerd" },
  }),
  prometheus: debianPackages({
    title: "prometheus",
    typical: "under a minute",
    packages: ["prometheus"],
    proof: { program: "usr/bin/prometheus", args: ["--version"], says: "prometheus, version " },
  }),
  moto: {
    title: "moto 5.2.5",
    version: "5.2.5",
    lane: INSTALL_LANE,
    identity: () => digest([PYTHON_RECIPE], ["test/servers/aws/requirements.txt"]),
    make: (folder, manner) =>
      makePythonEnvironment({
        what: "Installing moto 5.2.5",
        typical: "under a minute",
        requirements: "test/servers/aws/requirements.txt",
        folder,
        ...manner,
      }),
    proof: {
      program: "bin/python",
      args: ["-c", "import moto.server; print('moto', moto.__version__)"],
      says: "moto 5.2.5",
    },
    places: { moto: "." },
  },
};

/** One of the programs of Kubernetes: they share a module, and most of what is compiled. */
function kubernetes(file, typical, sources = "test/servers/kubernetes") {
  const version = "k8s.io/component-base/version";
  return goServer({
    title: file,
    version: KUBERNETES,
    typical,
    sources,
    program: `k8s.io/kubernetes/cmd/${file}`,
    file,
    // Without these it calls itself v0.0.0.
    linkerFlags:
      `-s -w -X ${version}.gitVersion=v${KUBERNETES} -X ${version}.gitMajor=${major} -X ${version}.gitMinor=${minor} ` +
      `-X ${version}.gitTreeState=clean`,
    proof: { args: ["--version"], says: `Kubernetes v${KUBERNETES}` },
  });
}

/**
 * Whatever version Debian has: the tests need what has been stable in it for years.
 *
 * @returns {Server}
 */
function debianPackages({ title, typical, packages, proof }) {
  return {
    title: `${title} (Debian)`,
    version: "debian",
    lane: INSTALL_LANE,
    identity: () => digest([DEBIAN_RECIPE, ...packages], []),
    make: (folder, manner) =>
      unpackDebianPackages({ what: `Getting ${title} from Debian's packages`, typical, packages, folder, ...manner }),
    proof,
    places: { [title]: "." },
  };
}

/** @returns {Server} */
function goServer({ title, version, typical, sources, program, file, linkerFlags = "-s -w", ownCode = [], proof }) {
  const pinned = ["go.mod", "go.sum", ...ownCode].map((name) => `${sources}/${name}`);
  return {
    title: `${title} ${version}`,
    version,
    lane: GO_LANE,
    identity: () => digest([GO_RECIPE, program, linkerFlags], pinned),
    async make(folder, manner) {
      if (!(await hasGo())) {
        throw new Problem(
          "The servers that the tests need are built from their Go modules, and there is no Go on this machine " +
            `(\`go version\` does not run). To run these tests, ${GET_GO}, then run the same command again.`,
        );
      }
      const output = join(folder, file);
      const what = `Building ${title} ${version}`;
      await goBuild({ what, typical, sources, program, output, linkerFlags, ...manner });
    },
    proof: { program: file, ...proof },
    places: { [`bin/${file}`]: file },
  };
}

/** @param {unknown[]} recipe @param {string[]} files of the checkout */
function digest(recipe, files) {
  const hash = createHash("sha256").update(JSON.stringify(recipe));
  for (const file of files) hash.update(readFileSync(join(ROOT, file)));
  return hash.digest("hex").slice(0, 12);
}
