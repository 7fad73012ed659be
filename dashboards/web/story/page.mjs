// The pages in a real Chromium, as a person meets them: first-run setup, this host with moving figures, an alert that
// appears by itself, and no page that axe finds fault with, on light and on dark ground.
// Run by the story `page`: node page.mjs BASE_URL SETUP_CODE SCREENSHOT_DIRECTORY
// Says `cause an alert` when it waits for one about the backup "csdl"; exits with 0 only when everything was seen.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, code, shots] = process.argv.slice(2);
if (!shots) throw new Error("usage: node page.mjs BASE_URL SETUP_CODE SCREENSHOT_DIRECTORY");

/** Generous: the machine may be busy with other builds. */
const PATIENCE_MS = 150_000;
const PASSWORD = "mật khẩu thật dài";
const QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["overview", "hosts", "host", "alerts", "events", "backups", "users", "audit"];

const profile = mkdtempSync(join(tmpdir(), "haidang-page-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  headless: true,
  chromiumSandbox: false,
  args: QUIET,
  viewport: { width: 1280, height: 900 },
});
try {
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = watch(page);
  await setUp(page);
  const host = await overview(page);
  await movingFigures(page, host);
  await alertByItself(page);
  const violations = [];
  for (const ground of ["light", "dark"]) {
    if (ground === "dark") await page.getByRole("button", { name: "Nền tối" }).click();
    for (const name of PAGES) violations.push(...(await examine(page, name, ground, host)));
  }
  for (const fault of [...faults, ...violations]) console.log(fault);
  process.exitCode = faults.length + violations.length > 0 ? 1 : 0;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}

/** What goes wrong in the page itself, a script that throws or one that the content policy refuses. */
function watch(page) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(`the page threw: ${error.stack}`));
  page.on("console", (message) => {
    const { url } = message.location();
    // Who is not signed in is told so by the answer 401, and Chromium writes it down.
    const visitor = url === `${base}/api/session` && message.text().includes("401");
    if (message.type() === "error" && !visitor) faults.push(`the page complained: ${message.text()} (${url})`);
  });
  return faults;
}

async function setUp(page) {
  await page.goto(`${base}/#/setup?code=${encodeURIComponent(code)}`);
  await page.getByLabel("Tên đăng nhập").fill("trực");
  const passwords = page.locator("input[type=password]");
  await passwords.nth(0).fill(PASSWORD);
  await passwords.nth(1).fill(PASSWORD);
  await shoot(page, "setup");
  await page.getByRole("button", { name: "Tạo và đăng nhập" }).click();
  await page.getByRole("navigation", { name: "Các trang" }).waitFor();
  if (page.url().includes(code)) throw new Error("the setup code is still in the address");
}

/** The name of the one host, which the overview counts and the list of hosts names. */
async function overview(page) {
  await page.locator('a.number[href="#/hosts"]', { hasText: /1 trên 1 máy chủ có tín hiệu/ }).waitFor();
  await page.locator('a.number[href="#/hosts"]').click();
  const link = page.locator("tbody th a").first();
  await link.waitFor();
  return link.innerText();
}

async function movingFigures(page, host) {
  await page.goto(`${base}/#/hosts/${encodeURIComponent(host)}`);
  const chart = page.locator('figure[aria-label^="CPU theo chế độ"]');
  await chart.locator("canvas").waitFor();
  await page.waitForFunction(() => /%/.test(document.querySelector('figure[aria-label^="CPU"]')?.getAttribute("aria-label") ?? ""));
  const before = await chart.getAttribute("aria-label");
  await page.waitForFunction((old) => document.querySelector('figure[aria-label^="CPU"]')?.getAttribute("aria-label") !== old, before);
  console.log(`CPU moved: ${before} -> ${await chart.getAttribute("aria-label")}`);
}

async function alertByItself(page) {
  await page.goto(`${base}/#/`);
  await page.getByText("Không có cảnh báo nào đang xảy ra").waitFor();
  await page.evaluate(() => { window.sameDocument = true; });
  console.log("cause an alert");
  await page.getByText(/Lần sao lưu "csdl" gần nhất trên .* đã thất bại/).first().waitFor();
  if (!(await page.evaluate(() => window.sameDocument))) throw new Error("the page was loaded anew");
  console.log("the alert appeared by itself");
}

async function examine(page, name, ground, host) {
  const path = { overview: "", host: `hosts/${encodeURIComponent(host)}` }[name] ?? name;
  await page.goto(`${base}/#/${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Đang tải…"));
  await shoot(page, `${name}-${ground}`);
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  if (passes.length === 0) throw new Error(`axe examined nothing on ${name}`);
  console.log(`axe: ${name}, ${ground}: ${violations.length}`);
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${name}, ${ground}: ${id} (${help}) at ${target}: ${failureSummary}`));
}

async function shoot(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}
