// The pages in a real Chromium, as a person meets them: first-run setup, this host with moving figures, an alert that
// appears by itself, a drill from its start to the minutes, and no page that axe finds fault with, on light and on dark ground.
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
const PAGES = ["overview", "hosts", "host", "alerts", "history", "events", "backups", "drills", "drill", "users", "audit"];

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
  const drill = await aDrill(page);
  const violations = [];
  for (const ground of ["light", "dark"]) {
    if (ground === "dark") await page.getByRole("button", { name: "Nền tối" }).click();
    for (const name of PAGES) violations.push(...(await examine(page, name, ground, { host, drill })));
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

/** A plan is started by the typed name of its site, a person confirms her step, and the measured times stand in the minutes. */
async function aDrill(page) {
  await page.goto(`${base}/#/drills`);
  await page.getByText("broken.yml").first().waitFor();
  const plan = page.getByRole("article", { name: "Chuyển máy chủ" });
  await plan.getByRole("button", { name: "Bắt đầu diễn tập" }).click();
  await plan.getByLabel("Tên địa điểm").fill("cmu-dc1");
  await plan.locator("form").getByRole("button", { name: "Bắt đầu diễn tập" }).click();
  await page.getByText("Dừng dịch vụ chính", { exact: false }).first().waitFor();
  await page.getByLabel("Ghi chú của bước").fill("đã dừng, trực ca ký");
  await page.getByRole("button", { name: "Đạt, sang bước sau" }).click();
  await page.getByText("Đã xong").first().waitFor();
  const fact = async (name) => (await page.locator("dl.facts div", { has: page.locator("dt", { hasText: name }) }).locator("dd").innerText()).trim();
  const [rto, rpo] = [await fact("RTO thực đo"), await fact("RPO thực đo")];
  if (!/\d/.test(rto) || !/\d/.test(rpo)) throw new Error(`nothing was measured: RTO ${rto}, RPO ${rpo}`);
  const address = await page.getByRole("link", { name: "Biên bản diễn tập" }).getAttribute("href");
  const minutes = await page.evaluate(async (url) => (await fetch(url)).text(), address);
  for (const text of ["BIÊN BẢN DIỄN TẬP", "đã dừng, trực ca ký"]) {
    if (!minutes.includes(text)) throw new Error(`${text} is not in the minutes`);
  }
  console.log(`a drill: RTO ${rto}, RPO ${rpo}`);
  return page.url().split("#/drills/")[1];
}

async function examine(page, name, ground, { host, drill }) {
  const path = { overview: "", host: `hosts/${encodeURIComponent(host)}`, drill: `drills/${drill}`, history: "alerts/history" }[name] ?? name;
  await page.goto(`${base}/#/${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Đang tải…"));
  // A life tells its steps once it is opened.
  if (name === "history") {
    await page.locator("button[aria-expanded=false]").first().click();
    await page.getByText("Bắt đầu báo động").first().waitFor();
  }
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
