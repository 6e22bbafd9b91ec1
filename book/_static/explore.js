/* Explore a picture: read values off it, and zoom. The data stand beside the static picture, as JSON in
 * <details class="dynloss-explore">, made by dynloss_book.plots.interactive; uPlot is loaded when a reader opens it. */
(() => {
  "use strict";
  const HERE = new URL(".", document.currentScript.src);
  const INK = "#1f2933";
  const GRID = "#e4e7eb";
  let library = null;

  function element(name, attributes = {}, parent = null) {
    const made = document.createElementNS(
      /^(svg|g|rect|text)$/.test(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    if (parent) parent.append(made);
    return made;
  }

  function loadLibrary() {
    library ??= new Promise((resolve, reject) => {
      element("link", { rel: "stylesheet", href: new URL("vendor/uPlot.min.css", HERE) }, document.head);
      const script = element("script", { src: new URL("vendor/uPlot.iife.min.js", HERE) });
      script.onload = resolve;
      script.onerror = () => reject(new Error("uPlot did not load"));
      document.head.append(script);
    });
    return library;
  }

  const spaced = (number) => (Number.isInteger(number)
    ? String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f") : String(number));

  /* Of a logarithmic axis the ticks at 1, 2 and 5 have a label; of one over many decades those at 1. */
  const labels = (log) => (_, ticks) => {
    const shown = ticks[ticks.length - 1] / ticks[0] > 100 ? /^1e/ : /^[125]e/;
    return ticks.map((tick) => (tick === null || (log && !shown.test(tick.toExponential())) ? "" : spaced(tick)));
  };

  function running(deltas) {
    let sum = 0;
    return deltas.map((each) => (sum += each));
  }

  /* Curves: panels whose abscissas are linked move and zoom together. */
  class Curve {
    constructor(panel, box, linked) {
      this.panel = panel;
      this.linked = linked;
      this.zoomed = false;
      this.x = panel.x.steps ? running(panel.x.steps) : panel.x.values;
      this.head = element("p", { class: "dynloss-reading" }, box);
      element("strong", { text: panel.title }, this.head);
      this.reading = element("span", {}, this.head);
      this.frame = element("div", { class: "dynloss-panel", tabindex: 0, role: "slider", "aria-label": panel.title,
        "aria-valuemin": this.x[0], "aria-valuemax": this.x[this.x.length - 1] }, box);
      this.plot = new uPlot(this.options(), [this.x, ...panel.series.map((each) => each.values)], this.frame);
      this.frame.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.plot.setSize({ width: this.frame.clientWidth, height: panel.height }))
        .observe(this.frame);
      linked.push(this);
      const middle = (this.x[0] + this.x[this.x.length - 1]) / 2;
      this.say(this.plot.valToIdx(panel.x.steps ? Math.ceil(middle) : middle));
    }

    options() {
      const { panel } = this;
      const axis = { stroke: INK, grid: { stroke: GRID, width: 1 }, ticks: { stroke: GRID, width: 1 } };
      const every = { filter: (_, splits) => splits }; // all ticks have a label or not by `labels` alone
      const within = (given, zoomed) => (_, low, high) => (this.zoomed || !given ? zoomed(low, high) : given);
      const padded = (low, high) => (low === null ? [0, 1] : panel.y.log
        ? [low / 1.2, high * 1.2] : uPlot.rangeNum(low, high, 0.06, false));
      return {
        width: this.frame.clientWidth,
        height: panel.height,
        legend: { show: false },
        scales: {
          x: { time: false, distr: panel.x.log ? 3 : 1, range: within(panel.x.range, (low, high) => [low, high]) },
          y: { distr: panel.y.log ? 3 : 1, range: within(panel.y.range, padded) },
        },
        axes: [
          { ...axis, ...(panel.x.log && every), label: panel.x.label, labelSize: 18, size: 34, space: 70, values: labels(panel.x.log) },
          { ...axis, ...(panel.y.log && every), size: 62, values: labels(panel.y.log) },
        ],
        series: [{}, ...panel.series.map((each) => ({
          stroke: each.colour, width: 1.5, spanGaps: true,
          ...(each.line ? { points: { show: false }, dash: each.dash } : {
            paths: () => null,
            points: { show: true, size: panel.size, width: each.open ? 1.2 : 0, fill: each.open ? "#fff" : each.colour },
          }),
        }))],
        cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 7 },
          bind: { dblclick: () => () => this.reset() } },
        hooks: {
          setCursor: [(plot) => this.hovered(plot)],
          setSelect: [(plot) => this.selected(plot)],
          draw: [(plot) => this.marks(plot)],
        },
      };
    }

    hovered(plot) {
      const index = plot.cursor.idx;
      if (index !== null && index !== undefined) this.read(index);
    }

    /* Say what stands at a sample, here and in the linked panels. */
    read(index) {
      this.say(index);
      for (const other of this.linked) {
        if (other !== this) other.follow(this.x[index]);
      }
    }

    follow(x) {
      const index = this.plot.valToIdx(x);
      this.point(index);
      this.say(index);
    }

    say(index) {
      const { panel } = this;
      this.index = index;
      const found = new Map(); // those of one name are read together
      for (const each of panel.series) {
        const value = each.values[index];
        if (value === null || !each.label) continue;
        if (!found.has(each.label)) found.set(each.label, { look: each, values: [] });
        found.get(each.label).values.push(value);
      }
      const at = `${panel.x.symbol} = ${spaced(this.x[index])}${panel.x.unit}: `;
      this.reading.replaceChildren(at);
      const parts = [...found].map(([label, { look, values }]) => {
        const text = `${label} ${values.join(", ")}${panel.y.unit}`;
        const colours = `border-color: ${look.colour}; background: ${look.open ? "#fff" : look.colour}`;
        const part = element("span", { class: "dynloss-value" }, this.reading);
        if (found.size > 1) element("i", { style: colours }, part);
        part.append(text);
        return text;
      });
      const said = at + parts.join(", ");
      this.frame.setAttribute("aria-valuenow", this.x[index]);
      this.frame.setAttribute("aria-valuetext", said);
    }

    show(index) {
      this.point(index);
      this.read(index);
    }

    /* Put the cursor on a sample, without telling anybody. */
    point(index) {
      this.plot.setCursor({ left: this.plot.valToPos(this.x[index], "x"), top: 4 }, false);
    }

    selected(plot) {
      const { left, width } = plot.select;
      if (width > 2) this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    }

    zoom(min, max) {
      for (const each of this.linked) {
        each.zoomed = true;
        each.plot.setScale("x", { min, max });
      }
    }

    /* By a factor, about the cursor. */
    scale(factor) {
      const { min, max } = this.plot.scales.x;
      const to = this.panel.x.log ? Math.log : (value) => value;
      const back = this.panel.x.log ? Math.exp : (value) => value;
      const at = to(Math.min(Math.max(this.x[this.index], min), max));
      const [low, high] = this.panel.x.range;
      const ends = [min, max].map((end) => back(at + (to(end) - at) * factor));
      if (ends[0] <= low && ends[1] >= high) this.reset();
      else this.zoom(Math.max(ends[0], low), Math.min(ends[1], high));
    }

    reset() {
      for (const each of this.linked) {
        each.zoomed = false;
        const [min, max] = each.panel.x.range;
        each.plot.setScale("x", { min, max });
      }
    }

    key(event) {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (move) this.step(move * (event.shiftKey ? 20 : 1));
      else if (event.key === "+" || event.key === "=") this.scale(0.5);
      else if (event.key === "-") this.scale(2);
      else if (event.key === "0" || event.key === "Escape") this.reset();
      else return;
      event.preventDefault();
    }

    /* To the next sample that is at least so many pixels away, and in sight. */
    step(pixels) {
      const [first, last] = this.plot.series[0].idxs;
      const sign = Math.sign(pixels);
      const from = this.plot.valToPos(this.x[this.index], "x");
      let index = this.index;
      do index += sign;
      while (index > first && index < last && Math.abs(this.plot.valToPos(this.x[index], "x") - from) < Math.abs(pixels));
      this.show(Math.min(Math.max(index, first), last));
    }

    /* Where instabilities start and end, and the threshold. */
    marks(plot) {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.setLineDash([6, 4]);
      for (const { axis, at, colour } of this.panel.marks ?? []) {
        const along = plot.valToPos(at, axis, true);
        ctx.strokeStyle = colour;
        ctx.beginPath();
        ctx.moveTo(axis === "x" ? along : bbox.left, axis === "x" ? bbox.top : along);
        ctx.lineTo(axis === "x" ? along : bbox.left + bbox.width, axis === "x" ? bbox.top + bbox.height : along);
        ctx.stroke();
      }
      ctx.restore();
    }
  }

  /* A map of cells, each with its mean, interval and number of seeds. */
  class Plane {
    constructor(panel, box, reading) {
      this.panel = panel;
      this.reading = reading;
      const [columns, rows] = [panel.columns.length, panel.rows.length];
      const [left, bottom, wide, high] = [42, 34, 300, 220];
      const part = element("div", { class: "dynloss-plane" }, box);
      element("strong", { text: panel.title }, part);
      this.svg = element("svg", { viewBox: `0 0 ${left + wide + 4} ${high + bottom + 4}`, tabindex: 0,
        role: "application", "aria-label": `${panel.title}: move with the arrow keys`, "aria-describedby": reading.id }, part);
      this.cells = panel.colours.map((colour, number) => element("rect", {
        x: left + ((number % columns) * wide) / columns, width: wide / columns + 0.3, height: high / rows + 0.3,
        y: 2 + ((rows - 1 - Math.floor(number / columns)) * high) / rows, fill: colour ?? "#fff" }, this.svg));
      this.frame = element("rect", { fill: "none", stroke: "#d55e00", "stroke-width": 2.5, visibility: "hidden" }, this.svg);
      const label = (x, y, text, anchor) => element("text", { x, y, text, "text-anchor": anchor, "font-size": 11, fill: INK }, this.svg);
      const every = (count) => Math.max(1, Math.ceil(count / 5));
      panel.columns.forEach((value, at) => at % every(columns) ||
        label(left + ((at + 0.5) * wide) / columns, high + 15, spaced(value), "middle"));
      panel.rows.forEach((value, at) => at % every(rows) ||
        label(left - 4, 6 + ((rows - 0.5 - at) * high) / rows, value, "end"));
      label(left + wide / 2, high + 31, "period T (steps)", "middle");
      label(2, 12, "A", "start");
      this.at = 0;
      this.cells.forEach((cell, number) => cell.addEventListener("pointerenter", () => this.show(number)));
      this.svg.addEventListener("focus", () => this.show(this.at));
      this.svg.addEventListener("keydown", (event) => this.key(event));
    }

    show(number) {
      const { panel } = this;
      const columns = panel.columns.length;
      this.at = number;
      for (const name of ["x", "y", "width", "height"]) this.frame.setAttribute(name, this.cells[number].getAttribute(name));
      for (const other of this.svg.closest(".dynloss-planes").querySelectorAll("rect[stroke]")) {
        other.setAttribute("visibility", other === this.frame ? "visible" : "hidden");
      }
      const [mean, margin, seeds] = [panel.means[number], panel.margins[number], panel.seeds[number]];
      const said = mean === null ? "not computed"
        : `${mean}${margin === null ? "" : ` ± ${margin} (95 % interval of the mean)`}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}`;
      this.reading.textContent =
        `T = ${spaced(panel.columns[number % columns])} steps, A = ${panel.rows[Math.floor(number / columns)]} · ${panel.title}: ${said}`;
    }

    key(event) {
      const columns = this.panel.columns.length;
      const column = this.at % columns;
      const moves = { ArrowLeft: column > 0 ? -1 : 0, ArrowRight: column < columns - 1 ? 1 : 0, ArrowUp: columns, ArrowDown: -columns };
      if (!(event.key in moves)) return;
      const to = this.at + moves[event.key];
      if (to >= 0 && to < this.cells.length) this.show(to);
      event.preventDefault();
    }
  }

  function planes(record, box) {
    const id = `reading-${record.name}`;
    const reading = element("p", { class: "dynloss-reading", id, role: "status", text: "Point at a cell, or move with the arrow keys." }, box);
    const grid = element("div", { class: "dynloss-planes" }, box);
    record.panels.forEach((panel) => new Plane(panel, grid, reading));
  }

  async function curves(record, box) {
    await loadLibrary();
    const bar = element("p", { class: "dynloss-bar" }, box);
    const groups = new Map();
    let active = null;
    const all = record.panels.map((panel) => {
      if (!groups.has(panel.group)) groups.set(panel.group, []);
      const curve = new Curve(panel, box, groups.get(panel.group));
      for (const event of ["pointerdown", "focusin"]) curve.frame.addEventListener(event, () => { active = curve; });
      return curve;
    });
    const button = (text, label, action) =>
      element("button", { type: "button", text, "aria-label": label }, bar).addEventListener("click", action);
    button("+", "Zoom in", () => (active ?? all[0]).scale(0.5));
    button("−", "Zoom out", () => (active ?? all[0]).scale(2));
    button("Reset", "Reset the zoom", () => groups.forEach((group) => group[0].reset()));
    element("span", { text: "Drag across a panel to zoom; with the keyboard: arrows, + and −, 0." }, bar);
  }

  for (const details of document.querySelectorAll("details.dynloss-explore[hidden]")) {
    details.hidden = false; // without this script there is nothing to open
    details.addEventListener("toggle", async () => {
      const box = details.querySelector("div");
      if (!details.open || box.childElementCount) return;
      const record = JSON.parse(details.querySelector("script").textContent);
      await (record.kind === "planes" ? planes : curves)(record, box);
      details.dataset.ready = "yes";
    });
  }
})();
