// Live curves of a run: draws each [data-curve] with uPlot and keeps the table beside it up to date.
// Polls the metrics every 2 seconds while the run goes on and the page is visible.

import { columns, shown } from "./curve-data.js";

const POLL_MS = 2000;
const PAGE = 2000;
const TABLE_ROWS = 6;
const HEIGHT = 220;
const SERIES_COLORS = ["--accent", "--warn", "--good", "--bad"];

class Curve {
  constructor(figure) {
    this.figure = figure;
    this.plot = figure.querySelector("[data-curve-plot]");
    this.body = figure.querySelector("tbody");
    this.series = JSON.parse(figure.dataset.curve);
    new ResizeObserver(() => this.chart?.setSize(this.size())).observe(this.plot);
  }

  size() {
    return { width: Math.max(200, this.plot.clientWidth), height: HEIGHT };
  }

  show(rows) {
    const keys = this.series.map((one) => one.key);
    const data = columns(rows, keys);
    this.figure.hidden = data[0].length === 0;
    if (this.figure.hidden) return;
    this.tabulate(data);
    // A series that the run never reports (a mix that is off) has no place in the legend.
    const reported = this.series.map((_one, index) => data[index + 1].some((value) => value !== null));
    const drawn = data.filter((_column, index) => index === 0 || reported[index - 1]);
    if (this.chart && String(reported) === String(this.reported)) {
      this.chart.setData(drawn);
      return;
    }
    this.chart?.destroy();
    this.reported = reported;
    this.chart = new window.uPlot(this.options(), drawn, this.plot);
  }

  options() {
    const style = getComputedStyle(this.figure);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color("--ink-muted"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.size(),
      scales: { x: { time: false } },
      axes: [axis, { ...axis, size: 64, values: (_plot, ticks) => ticks.map(shown) }],
      series: [
        { label: "Step" },
        ...this.series
          .map((one, index) => ({
            label: one.label,
            stroke: color(SERIES_COLORS[index % SERIES_COLORS.length]),
            width: 2,
            dash: index > 1 ? [6, 4] : undefined,
            spanGaps: true,
            value: (_plot, value) => shown(value),
          }))
          .filter((_one, index) => this.reported[index]),
      ],
    };
  }

  tabulate(data) {
    const rows = [];
    for (let at = Math.max(0, data[0].length - TABLE_ROWS); at < data[0].length; at += 1) {
      const row = document.createElement("tr");
      data.forEach((column, index) => {
        const cell = document.createElement(index === 0 ? "th" : "td");
        if (index === 0) cell.scope = "row";
        cell.textContent = shown(column[at]);
        row.append(cell);
      });
      rows.push(row);
    }
    this.body.replaceChildren(...rows);
  }

  restyle(rows) {
    this.chart?.destroy();
    this.chart = undefined;
    this.show(rows);
  }
}

function attach(section) {
  const curves = [...section.querySelectorAll("[data-curve]")].map((figure) => new Curve(figure));
  const message = section.querySelector("[data-curves-message]");
  let rows = [];

  async function load(after) {
    const answer = await fetch(`${section.dataset.runCurves}?after=${after}&limit=${PAGE}`, {
      headers: { accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`The curves cannot be loaded at the moment (${answer.status}).`);
    return (await answer.json()).metrics;
  }

  async function update() {
    const last = rows.at(-1);
    let news = await load(last?.step ?? -1);
    // A later attempt has begun again at an earlier step: what was drawn from there on is void.
    if (last && news.some((row) => row.attempt > last.attempt)) {
      rows = [];
      news = await load(-1);
    }
    rows.push(...news);
    if (news.length > 0) curves.forEach((curve) => curve.show(rows));
    if (news.length === PAGE) await update();
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
