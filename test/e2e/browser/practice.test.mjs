// A newcomer's first minute: a template runs without any key, with and without
// scripting; and the accessibility of every page.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { eventually, launch, portal } from "./support.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const scripting of [true, false]) {
  describe(`first minute ${scripting ? "with" : "without"} scripting`, { skip: portal ? false : "WEFT_PORTAL_URL is not set: run make e2e" }, () => {
    let browser, page, password;

    before(async () => {
      browser = await launch();
      const context = await browser.newContext({ javaScriptEnabled: scripting, locale: "en-US", baseURL: portal });
      page = await context.newPage();
      page.setDefaultTimeout(30_000);
    });
    after(async () => {
      if (page) await removeAccount(page, password);
      await browser?.close();
    });

    it("signs up, opens a template, runs it and reads the result, with four clicks", { timeout: 180_000 }, async () => {
      password = `a long password of ${Date.now()}`;
      await page.goto("/signup");
      await page.locator("#name").fill("Grace Newcomer");
      await page.locator("#email").fill(`grace-${scripting ? "js" : "plain"}-${Date.now()}@example.com`);
      await page.locator("#birth").fill("09/12/1986");
      await page.locator("#password").fill(password);
      await page.locator("main button[type=submit]").click();
      await page.locator('main form[action^="/flow/create?template="] button').first().click();
      await page.locator("#run").click();
      const result = await eventually(120_000, async () => {
        const text = await page.locator("#result, #live .result").first().textContent({ timeout: 2_000 });
        if (!text.trim()) throw new Error("no result yet");
        return text.trim();
      });
      assert.ok(result.length > 20, `a sample result a person can read: ${result}`);
    });

    if (scripting) {
      it("has no page in which axe finds anything", { timeout: 120_000 }, async () => {
        const flow = page.url().split(/[?#]/)[0];
        for (const address of ["/", "/flows", "/keys", "/settings", flow, `${flow}/share`, `${flow}/versions`]) {
          await page.goto(address);
          const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] })`);
          const list = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(", ")}`);
          assert.deepEqual(list, [], `axe on ${address}`);
        }
      });
    }
  });
}

async function removeAccount(page, password) {
  await page.goto("/settings");
  await page.locator("#password").fill(password);
  await page.locator('form[action="/account/delete"] button[type=submit]').click();
}
