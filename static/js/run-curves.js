// Live curves of a run: draws each [data-curve] of the section and keeps it up to date.
// Polls the metrics every 2 seconds while the run goes on and the page is visible.

import { Curve } from "./curve.js";
import { isVoid } from "./curve-data.js";
import { t } from "./words.js";

const POLL_MS = 2000;
const PAGE = 2000;

function attach(section) {
  const curves = [...section.querySelectorAll("[data-curve]")].map((figure) => new Curve(figure));
  const message = section.querySelector("[data-curves-message]");
  let rows = [];

  async function load(after) {
    const answer = await fetch(`${section.dataset.runCurves}?after=${after}&limit=${PAGE}`, {
      headers: { accept: "application/json" },
    });
    if (!answer.ok) throw new Error(t("The curves cannot be loaded at the moment ({status}).", { status: answer.status }));
    return answer.json();
  }

  async function update() {
    let { metrics, last } = await load(rows.at(-1)?.step ?? -1);
    const isStale = isVoid(rows, metrics, last);
    if (isStale) {
      rows = [];
      ({ metrics } = await load(-1));
    }
    rows.push(...metrics);
    if (isStale || metrics.length > 0) curves.forEach((curve) => curve.show(rows));
    if (metrics.length === PAGE) await update();
    message.textContent = rows.length === 0 ? message.dataset.empty : "";
  }

  async function poll() {
    try {
      if (document.visibilityState === "visible") await update();
    } catch (error) {
      message.textContent = error.message;
    }
    if (!("finished" in section.dataset)) setTimeout(poll, POLL_MS);
  }

  // uPlot paints its colors on a canvas, so a change of theme draws everything again.
  const restyle = () => curves.forEach((curve) => curve.restyle(rows));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
  new MutationObserver(restyle).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  poll();
}

document.querySelectorAll("[data-run-curves]").forEach(attach);
