// The owner's core user flows in a real browser on the cluster: once with
// scripting, once without. A person signs up, stores a key, builds a flow with
// it, runs it, reads the result, exposes it, calls it, and deletes everything.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { allowEgress, call, eventually, kubectl, launch, portal, providerKey, startProvider } from "./support.mjs";

const timeout = 60_000;
const step = (page, type) => page.locator(".step", { has: page.locator(`input[type=hidden][value="${type}"]`) });
const add = (page, type) => page.locator(`button[name=do][value="quick:${type}"]`).click();
const prompt = "Which flowers last longest?";

for (const scripting of [true, false]) {
  describe(`core user flows ${scripting ? "with" : "without"} scripting`, { skip: portal ? false : "WEFT_PORTAL_URL is not set: run make e2e" }, () => {
    const email = `ada-${scripting ? "js" : "plain"}-${Date.now()}@example.com`;
    const password = `correct horse battery ${Date.now()}`;
    let browser, page, provider, workspace, flowPage, address, endpointKey;

    before(async () => {
      [browser, provider] = await Promise.all([launch(), startProvider()]);
      const context = await browser.newContext({ javaScriptEnabled: scripting, locale: "en-US", baseURL: portal });
      page = await context.newPage();
      page.setDefaultTimeout(timeout);
    });
    after(async () => {
      await browser?.close();
      await provider?.stop();
    });

    it("signs up and lands on Home", { timeout }, async () => {
      await page.goto("/signup");
      await page.locator("#name").fill("Ada Example");
      await page.locator("#email").fill(email);
      await page.locator("#birth").fill("17/12/1990");
      await page.locator("#password").fill(password);
      await page.locator("main button[type=submit]").click();
      await page.locator("nav.menu").waitFor();
      await page.goto("/settings");
      workspace = (await page.locator("main code").first().textContent()).trim();
      assert.match(workspace, /^[a-z][a-z0-9-]+$/);
    });

    it("gets a workspace in the cluster", { timeout: 180_000 }, async () => {
      await eventually(60_000, () => kubectl("wait", "--for=condition=Ready", `workspace/${workspace}`, "--timeout=60s"));
      await allowEgress(workspace, provider.host);
    });

    it("1: saves an API key, which is never shown again", { timeout }, async () => {
      await page.locator('nav.menu a[href="/keys"]').click();
      await page.locator("#key-name").fill("Chat gpt apikey");
      await page.locator("#key-value").fill(providerKey);
      await page.locator('form[action="/apikey/store"] button[type=submit]').click();
      await page.locator(".row-title", { hasText: "Chat gpt apikey" }).waitFor();
      const html = await page.content();
      assert.ok(html.includes(providerKey.slice(-4)), "the last four characters are shown");
      assert.ok(!html.includes(providerKey), "the key itself is not");
    });

    it("2: creates a flow with a ChatGPT step and attaches the key", { timeout }, async () => {
      await page.locator("#new-flow").click();
      await page.locator("#outline").waitFor();
      flowPage = page.url().split(/[?#]/)[0];
      await add(page, "openai-chat");
      const chat = step(page, "openai-chat");
      const option = chat.locator(".key-box option", { hasText: "Chat gpt apikey" });
      await chat.locator(".key-box select").selectOption(await option.getAttribute("value"));
      await chat.locator('[name$=".prompt"]').fill(prompt);
      await chat.locator("details", { has: page.locator('[name$=".baseURL"]') }).locator("summary").click();
      await chat.locator('[name$=".baseURL"]').fill(provider.baseURL);
      await page.locator("#title").fill("Flower advice");
    });

    it("3: runs the prompt and reads the result", { timeout: 120_000 }, async () => {
      await page.locator("#run").click();
      await page.getByText(`You said: ${prompt}`).first().waitFor({ timeout: 90_000 });
    });

    it("nothing typed is lost when the page is opened again", { timeout }, async () => {
      await page.goto(flowPage);
      assert.equal(await page.locator("#title").inputValue(), "Flower advice");
      if ((await page.locator('[name$=".prompt"]').count()) === 0) {
        await page.locator('button[name=do][value^="open:"]').first().click();
      }
      assert.equal(await page.locator('[name$=".prompt"]').inputValue(), prompt);
    });

    it("4: inserts an input and an output, saves, and the flow is exposed", { timeout: 180_000 }, async () => {
      await add(page, "input");
      await add(page, "output");
      await page.locator("#save").click();
      address = await eventually(120_000, async () => {
        await page.goto(flowPage);
        return (await page.locator("#address").textContent({ timeout: 2_000 })).trim();
      });
      assert.equal((await call(address, "", "Hello")).status, 401, "it is private until its owner says otherwise");
    });

    it("its address answers a caller with an endpoint key", { timeout: 180_000 }, async () => {
      // The runtime of the exposed flow gets its own permission to reach the
      // provider of this test, as the draft's runtime did.
      const name = address.split("/").at(-1);
      const namespace = `weft-ws-${workspace}`;
      await kubectl("patch", "flow", name, "-n", namespace, "--type=merge", "-p", JSON.stringify({ spec: { runtime: { egress: { allow: [provider.host] } } } }));
      await page.goto(`${flowPage}/share`);
      await page.locator('form[action$="/endpoint-keys"] button[type=submit]').click();
      endpointKey = (await page.locator("#new-key").textContent()).trim();
      assert.match(endpointKey, /^wk_/);
      const answer = await eventually(90_000, async () => {
        const got = await call(address, endpointKey, "Hello");
        if (got.status !== 200) throw new Error(`the flow answers ${got.status}: ${JSON.stringify(got.body)}`);
        return got.body;
      });
      assert.equal(answer.success, "true");
      assert.match(answer.result, /^You said: /);
      await page.goto(`${flowPage}/share`);
      assert.ok(!(await page.content()).includes(endpointKey), "an endpoint key is shown once");
    });

    it("6: deletes the flow, the key and the account", { timeout: 180_000 }, async () => {
      await page.goto("/flows");
      await page.locator('form[action^="/flow/delete/"] button').first().click();
      await eventually(60_000, async () => {
        const got = await call(address, endpointKey, "Hello");
        assert.notEqual(got.status, 200, "a deleted flow answers nobody");
      });
      await page.goto("/keys");
      await page.locator('form[action^="/apikey/delete/"] button').first().click();
      await page.locator(".row-title", { hasText: "Chat gpt apikey" }).waitFor({ state: "detached" });
      await page.goto("/settings");
      await page.locator("#password").fill(password);
      await page.locator('form[action="/account/delete"] button[type=submit]').click();
      await page.waitForURL((url) => !url.pathname.startsWith("/settings"));
      await page.goto("/login");
      await page.locator('[name="user"]').fill(email);
      await page.locator('[name="password"]').fill(password);
      await page.locator("main button[type=submit]").click();
      assert.equal(await page.locator("nav.menu").count(), 0, "a deleted account signs in nowhere");
      await eventually(120_000, async () => {
        const left = await kubectl("get", "workspace", workspace, "--ignore-not-found", "-o", "name");
        assert.equal(left, "", "the workspace is gone from the cluster");
      });
    });
  });
}
