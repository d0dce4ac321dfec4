// What the browser tests share: a browser, kubectl, and a server that speaks
// the OpenAI protocol at an address that the cluster's pods can reach.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../../..");

export const portal = process.env.WEFT_PORTAL_URL;
export const providerKey = "sk-test-0123456789abcdefghijklmnopqrstuvwx";

/** Starts Chromium. Its network chatter is switched off. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.WEFT_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Runs kubectl and returns what it printed. */
export async function kubectl(...args) {
  const { stdout } = await run(process.env.WEFT_KUBECTL ?? "kubectl", args, { timeout: 180_000, maxBuffer: 4 << 20 });
  return stdout.trim();
}

/** An address of this machine that pods reach. */
async function hostAddress() {
  return process.env.WEFT_TEST_HOST ?? kubectl("get", "nodes", "-o", 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "0.0.0.0", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Builds and starts the provider. Returns { baseURL, host, stop }. */
export async function startProvider() {
  const folder = await mkdtemp(path.join(tmpdir(), "weft-provider-"));
  const program = path.join(folder, "openai");
  await run("go", ["build", "-o", program, "./test/openai"], { cwd: root, timeout: 300_000 });
  const [host, port] = [await hostAddress(), await freePort()];
  const child = spawn(program, ["-listen", `0.0.0.0:${port}`, "-key", providerKey], { stdio: ["ignore", "inherit", "inherit"] });
  const baseURL = `http://${host}:${port}/v1`;
  await eventually(20_000, async () => {
    const answer = await fetch(`${baseURL}/models`, { headers: { Authorization: `Bearer ${providerKey}` } });
    if (!answer.ok) throw new Error(`the provider answers ${answer.status}`);
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  };
  return { baseURL, host, stop };
}

/** Tries until the check passes or the time (ms) is over. Returns its value. */
export async function eventually(timeout, check) {
  const deadline = Date.now() + timeout;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** What a platform engineer does once: lets a workspace reach a private host. */
export async function allowEgress(workspace, host) {
  await kubectl("patch", "workspace", workspace, "--type=merge", "-p", JSON.stringify({ spec: { egress: { allow: [host] } } }));
  const namespace = `weft-ws-${workspace}`;
  await eventually(120_000, async () => {
    const env = await kubectl("get", "deployment", "weft-test-runtime", "-n", namespace, "-o", "jsonpath={.spec.template.spec.containers[0].env}");
    if (!env.includes(host)) throw new Error(`the test runtime is not told to allow ${host} yet: ${env}`);
  });
  await kubectl("rollout", "status", "deployment/weft-test-runtime", "-n", namespace, "--timeout=120s");
}

/** Posts an input to an exposed flow. */
export async function call(url, credential, input) {
  const headers = { "Content-Type": "application/json" };
  if (credential) headers.Authorization = `Bearer ${credential}`;
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ input }), signal: AbortSignal.timeout(30_000) });
  return { status: answer.status, body: await answer.json() };
}
