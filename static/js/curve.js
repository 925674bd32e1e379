// One chart of a run: uPlot over the lines and the band that the numbers are seen against, and the
// table beside it.

import { columns, extent, levels, shown, shownShare } from "./curve-data.js";
import { t } from "./words.js";

const TABLE_ROWS = 6;
const HEIGHT = 220;
// Neighboring ticks of a long axis far from 0 differ late.
const TICK_DIGITS = 8;
// Values in so small a number have a mark each: one alone has no line.
const MOST_MARKS = 40;
const WHOLE = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const SERIES_COLORS = ["--accent", "--warn", "--good", "--bad"];

/** Writes the value under the pointer for the legend, or the last one while there is no pointer. */
function latest(write) {
  return (plot, value, series, index) => write(index === null ? plot.data[series].findLast((one) => one !== null) : value);
}

function hasMarks(plot, series) {
  return plot.data[series].filter((one) => one !== null).length <= MOST_MARKS;
}

export class Curve {
  constructor(figure) {
    this.figure = figure;
    this.plot = figure.querySelector("[data-curve-plot]");
    this.body = figure.querySelector("tbody");
    Object.assign(this, JSON.parse(figure.dataset.curve)); // series, references, band, isShare
    this.write = this.isShare ? shownShare : shown;
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
    this.levels = levels(this.references, rows);
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
      scales: { x: { time: false }, y: { range: (_plot, low, high) => extent(low, high, this.marks()) } },
      hooks: { drawClear: [(plot) => this.paint(plot)] },
      // Steps are whole: no grid line stands between two of them.
      axes: [{ ...axis, incrs: WHOLE, size: 32 }, { ...axis, size: 64, values: (_plot, ticks) => ticks.map((tick) => this.write(tick, TICK_DIGITS)) }],
      series: [
        { label: t("Step"), value: latest(shown) },
        ...this.series
          .map((one, index) => ({
            label: one.label,
            stroke: color(SERIES_COLORS[index % SERIES_COLORS.length]),
            width: 2,
            dash: index > 1 ? [6, 4] : undefined,
            spanGaps: true,
            points: { show: hasMarks },
            value: latest(this.write),
          }))
          .filter((_one, index) => this.reported[index]),
      ],
    };
  }

  marks() {
    return this.band ? [...this.levels, this.band.low, this.band.high] : this.levels;
  }

  paint(plot) {
    const { ctx, bbox } = plot;
    const style = getComputedStyle(this.figure);
    const top = (value) => plot.valToPos(value, "y", true);
    ctx.save();
    if (this.band) {
      ctx.fillStyle = style.getPropertyValue("--good-wash");
      ctx.fillRect(bbox.left, top(this.band.high), bbox.width, top(this.band.low) - top(this.band.high));
    }
    ctx.strokeStyle = style.getPropertyValue("--ink-muted");
    ctx.setLineDash([4, 4]);
    for (const value of this.levels) {
      ctx.beginPath();
      ctx.moveTo(bbox.left, top(value));
      ctx.lineTo(bbox.left + bbox.width, top(value));
      ctx.stroke();
    }
    ctx.restore();
  }

  tabulate(data) {
    const rows = [];
    for (let at = Math.max(0, data[0].length - TABLE_ROWS); at < data[0].length; at += 1) {
      const row = document.createElement("tr");
      data.forEach((column, index) => {
        const cell = document.createElement(index === 0 ? "th" : "td");
        if (index === 0) cell.scope = "row"; else cell.className = "number"; // Under its heading.
        cell.textContent = index === 0 ? shown(column[at]) : this.write(column[at]);
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
