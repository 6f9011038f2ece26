"use strict";
// Draws the two charts from the page's data, sorts the list of trades, and shows a trade on the chart when clicked.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LC = window.LightweightCharts;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const charts = [];

  const look = () => ({
    layout: {
      background: { color: colour("page") },
      textColor: colour("quiet"),
      fontFamily: "system-ui, sans-serif",
      panes: { separatorColor: colour("line") },
      attributionLogo: true,
    },
    grid: { vertLines: { color: colour("line") }, horzLines: { color: colour("line") } },
    rightPriceScale: { borderColor: colour("line") },
    timeScale: { borderColor: colour("line"), timeVisible: true, secondsVisible: false, minBarSpacing: 0.01 },
  });

  // Every chart paints itself anew when the system changes between light and dark.
  const chart = (id, paint) => {
    const made = LC.createChart(document.getElementById(id), { autoSize: true, ...look() });
    const painted = () => { made.applyOptions(look()); paint(); };
    charts.push(painted);
    return made;
  };
  const points = (t, v) => t.map((time, i) => (v[i] === null ? { time } : { time, value: v[i] }));
  const thin = { lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false };

  const drawEquity = () => {
    const { t, own, hold, fall } = data.equity;
    if (t.length < 2) return;
    const series = {};
    const paint = () => {
      series.hold.applyOptions({ color: colour("hold") });
      series.own.applyOptions({ color: colour("own") });
      series.fall.applyOptions({
        lineColor: colour("loss"), topColor: "transparent", bottomColor: "transparent",
        topFillColor1: "transparent", topFillColor2: "transparent", topLineColor: colour("loss"),
        bottomLineColor: colour("loss"), bottomFillColor1: `${colour("loss")}40`, bottomFillColor2: `${colour("loss")}40`,
      });
    };
    const made = chart("equity", paint);
    series.hold = made.addSeries(LC.LineSeries, thin);
    series.own = made.addSeries(LC.LineSeries, { ...thin, lineWidth: 2, lastValueVisible: true });
    series.fall = made.addSeries(LC.BaselineSeries, {
      baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false,
      priceFormat: { type: "custom", formatter: (v) => `${v.toFixed(1)} %`, minMove: 0.01 },
    }, 1);
    if (data.equity.log) made.priceScale("right", 0).applyOptions({ mode: LC.PriceScaleMode.Logarithmic });
    series.hold.setData(points(t, hold));
    series.own.setData(points(t, own));
    series.fall.setData(points(t, fall));
    made.panes()[0].setStretchFactor(3);
    made.panes()[1].setStretchFactor(1);
    charts[charts.length - 1]();
    // A chart that gets its width later keeps the spacing of its bars and loses the oldest: show all of them again.
    const whole = () => made.timeScale().setVisibleLogicalRange({ from: -1, to: t.length });
    made.timeScale().subscribeSizeChange(whole);
    whole();
  };

  const tints = ["#d08700", "#8250df", "#0f8b8d", "#bf3989", "#6b7785"];
  const drawCandles = () => {
    const { t, open, high, low, close } = data.candles;
    if (!t.length) return null;
    const series = {};
    const marks = () => data.trades.flatMap(([entry, exit, side, gain]) => [
      { time: t[entry], position: side > 0 ? "belowBar" : "aboveBar", shape: side > 0 ? "arrowUp" : "arrowDown",
        color: colour("own"), size: 1 },
      { time: t[exit], position: side > 0 ? "aboveBar" : "belowBar", shape: "circle",
        color: colour(gain > 0 ? "gain" : gain < 0 ? "loss" : "quiet"), size: 0.7 },
    ]).sort((a, b) => a.time - b.time);
    const paint = () => {
      const up = colour("gain"), down = colour("loss");
      series.price.applyOptions({
        upColor: up, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down,
      });
      series.marks.setMarkers(marks());
    };
    const made = chart("candles", paint);
    const smallest = Math.min(...[close[0], close[close.length - 1]].map(Math.abs));
    const digits = Math.max(0, Math.min(8, 4 - Math.floor(Math.log10(smallest || 1))));
    series.price = made.addSeries(LC.CandlestickSeries, {
      priceLineVisible: false, priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits },
    });
    series.price.setData(t.map((time, i) => ({ time, open: open[i], high: high[i], low: low[i], close: close[i] })));
    data.lines.forEach((line, i) => {
      const drawn = made.addSeries(LC.LineSeries, { ...thin, color: tints[i % tints.length], title: line.title });
      drawn.setData(points(t, line.v));
    });
    series.marks = LC.createSeriesMarkers(series.price, []);
    charts[charts.length - 1]();
    return made;
  };

  const drawn = (draw) => {
    try { return draw(); } catch (error) { console.error(error); return null; }
  };
  drawn(drawEquity);
  const candles = drawn(drawCandles);
  const t = data.candles.t;

  const show = (from, to) => candles && candles.timeScale().setVisibleLogicalRange({ from, to });
  const showDays = (days) => {
    const start = days ? t[t.length - 1] - days * 86400 : t[0];
    const first = t.findIndex((time) => time >= start);
    show(first - 1, t.length + 1);
  };
  document.querySelectorAll(".zoom button").forEach((button) => {
    button.addEventListener("click", () => showDays(Number(button.dataset.days)));
  });
  showDays(t.length > 800 ? 30 : 0);
  dark.addEventListener("change", () => charts.forEach((paint) => paint()));

  const table = document.getElementById("trades");
  if (!table) return;
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => Number(row.cells[column].dataset.v);
      body.append(...[...body.rows].sort((a, b) => (up ? key(a) - key(b) : key(b) - key(a))));
    });
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    const trade = row && data.trades[Number(row.dataset.n) - data.unmarked];
    if (!trade || !candles) return;
    const around = Math.max(20, (trade[1] - trade[0]) * 2);
    show(trade[0] - around, trade[1] + around);
    document.getElementById("candles").scrollIntoView({ behavior: "smooth", block: "center" });
  });
})();
