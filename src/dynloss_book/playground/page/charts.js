/* The pictures: decision regions with the points, and the quantities against the step. */
const CLASS_COLOURS = ["#D55E00", "#E69F00", "#0072B2"]; // Okabe and Ito's, as in the book's figures
const CLASS_NAMES = ["vermilion", "amber", "blue"];
const START = "#009E73", END = "#CC3311";

const channels = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));

/* A canvas as sharp as the screen, of the size that the page gives it. */
function prepare(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return {context, width, height};
}

const colourOf = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/* A point's sign tells its class without colour: circle, triangle, square. */
function sign(context, kind, x, y, r) {
  context.beginPath();
  if (kind === 0) context.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === 1) {
    context.moveTo(x, y - 1.25 * r);
    context.lineTo(x + 1.15 * r, y + 0.8 * r);
    context.lineTo(x - 1.15 * r, y + 0.8 * r);
    context.closePath();
  } else context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
}

class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.regions = document.createElement("canvas");
  }

  /* Each square in the colours of its classes, as likely as the network finds them; points grow with their weight. */
  draw({points, frame}) {
    const {context, width} = prepare(this.canvas);
    if (!width) return;
    const paper = channels(colourOf(this.canvas, "--dl-paper")), strength = Number(colourOf(this.canvas, "--dl-strength"));
    this.paint(frame, paper, strength);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.regions, 0, 0, width, width);
    const scale = width / (2 * frame.reach);
    // A rim sets a point apart from whatever region it lies in; half of it is under the point.
    context.lineWidth = 2;
    context.strokeStyle = colourOf(this.canvas, "--dl-ink");
    for (let n = 0; n < 300; n++) {
      const kind = Math.floor(n / 100), weight = frame.gammas[kind];
      context.fillStyle = CLASS_COLOURS[kind];
      sign(context, kind, width / 2 + points[2 * n] * scale, width / 2 - points[2 * n + 1] * scale,
        width / 150 * (0.75 + 0.4 * Math.sqrt(weight)));
      context.stroke();
      context.fill();
    }
    this.label(context, width, frame.reach);
  }

  label(context, width, reach) {
    context.font = `12px ${colourOf(this.canvas, "--dl-font") || "sans-serif"}`;
    context.fillStyle = colourOf(this.canvas, "--dl-ink");
    context.textBaseline = "bottom";
    context.textAlign = "right";
    context.fillText(`x₁ from −${reach} to ${reach} →`, width - 6, width - 4);
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillText(`↑ x₂ from −${reach} to ${reach}`, 6, 6);
  }

  paint({picture, side}, paper, strength) {
    this.regions.width = this.regions.height = side;
    const context = this.regions.getContext("2d"), image = context.createImageData(side, side);
    const colours = CLASS_COLOURS.map(channels);
    for (let n = 0; n < side * side; n++) {
      for (let c = 0; c < 3; c++) {
        let mixed = 0;
        for (let k = 0; k < 3; k++) mixed += picture[3 * n + k] / 255 * colours[k][c];
        image.data[4 * n + c] = paper[c] + strength * (mixed - paper[c]);
      }
      image.data[4 * n + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
}

/* A number in at most three digits that count. */
function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(1).replace("e+", "e");
  if (size >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

const spaced = (step) => String(Math.round(step)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

/* Round numbers between low and high, about so many. */
function ticks(low, high, about) {
  const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

/* All but the rarest values, so that a single spike does not flatten the rest. */
function reachOf(series, index, share) {
  const values = series.map((row) => row[index]).filter(Number.isFinite).sort((a, b) => a - b);
  return values.length ? values[Math.min(values.length - 1, Math.floor(share * values.length))] : NaN;
}

const PANELS = [
  {title: "class weights Γᵢ", names: ["gamma0", "gamma1", "gamma2"], colours: CLASS_COLOURS, floor: 0, least: 1.5},
  {title: "loss F (nats)", names: ["loss"], floor: 0, least: 0.02, empty: 1.1},
  {title: "its change F(t) − F(t−1) (nats)", names: ["change"], symmetric: true, least: 0.002, empty: 0.1},
  {title: "training accuracy", names: ["accuracy"], floor: 0, ceiling: 1.02},
  {title: "λₘₐₓ of the Hessian", names: ["curvature"], floor: 0, least: 0.1},
];

class Series {
  constructor(canvas, names) {
    this.canvas = canvas;
    this.panels = PANELS.filter((panel) => names.includes(panel.names[0]));
  }

  draw({history, cascades, edge}) {
    const {context, width, height} = prepare(this.canvas);
    if (!width) return; // not shown at this moment
    const ink = colourOf(this.canvas, "--dl-ink"), faint = colourOf(this.canvas, "--dl-faint");
    const left = 44, right = 6, bottom = 34, each = (height - bottom) / this.panels.length;
    const [from, to] = history.range(), last = Math.max(to, from + 10);
    const across = (step) => left + (step - from) / (last - from) * (width - left - right);
    context.font = `12px ${colourOf(this.canvas, "--dl-font") || "sans-serif"}`;
    this.panels.forEach((panel, place) => {
      const box = {left, right: width - right, top: place * each + 20, bottom: (place + 1) * each - 6};
      this.panel(context, panel, box, {history, across, ink, faint, edge, cascades, from, last});
    });
    this.axis(context, {across, from, last, height, bottom, width, ink});
  }

  panel(context, panel, box, {history, across, ink, faint, edge, cascades, from, last}) {
    const lines = panel.names.map((name) => history.series(name, box.right - box.left));
    const [low, high] = this.limits(panel, lines, edge);
    const up = (value) => box.bottom - (Math.min(Math.max(value, low), high) - low) / (high - low) * (box.bottom - box.top);
    context.fillStyle = ink;
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    const title = panel.names[0] === "curvature" ? `${panel.title}, dashed: 2/η = ${short(edge)}` : panel.title;
    context.fillText(title, box.left, box.top - 6);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.lineWidth = 1;
    for (const value of ticks(low, high, 2)) {
      context.strokeStyle = faint;
      this.line(context, [[box.left, up(value)], [box.right, up(value)]]);
      context.fillText(short(value), box.left - 5, up(value));
    }
    const marks = cascades.flatMap(({start, end}) => [[start, START], [end, END]])
      .filter(([step]) => step !== null && step >= from && step <= last);
    context.globalAlpha = Math.min(1, 60 / marks.length); // many of them must not cover the grid
    context.setLineDash([3, 3]);
    for (const [step, colour] of marks) {
      context.strokeStyle = colour;
      this.line(context, [[across(step), box.top], [across(step), box.bottom]]);
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
    if (panel.names[0] === "curvature") {
      context.strokeStyle = ink;
      context.setLineDash([6, 4]);
      this.line(context, [[box.left, up(edge)], [box.right, up(edge)]]);
      context.setLineDash([]);
    }
    lines.forEach((series, k) => this.band(context, series, across, up, (panel.colours || [])[k] || ink));
  }

  limits({symmetric, floor, ceiling, least, empty}, lines, edge) {
    const tops = lines.map((series) => reachOf(series, 2, 0.99)).filter(Number.isFinite);
    const top = tops.length ? Math.max(...tops) : empty || 0;
    if (symmetric) {
      const size = Math.max(least, 1.1 * top, -1.1 * (reachOf(lines[0], 1, 0.01) || 0));
      return [-size, size];
    }
    if (ceiling) return [floor, ceiling];
    return [floor, Math.max(least, 1.12 * top, least === 0.1 ? 1.25 * edge : 0)];
  }

  line(context, points) {
    context.beginPath();
    points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }

  /* The band between the smallest and the largest value of each bin; with one step a bin it is a line. */
  band(context, series, across, up, colour) {
    if (!series.length) return;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 1.4;
    context.lineJoin = "bevel";
    context.beginPath();
    series.forEach(([step, , high], k) => (k ? context.lineTo(across(step), up(high)) : context.moveTo(across(step), up(high))));
    for (let k = series.length - 1; k >= 0; k--) context.lineTo(across(series[k][0]), up(series[k][1]));
    context.closePath();
    context.fill();
    context.stroke();
  }

  axis(context, {across, from, last, height, bottom, width, ink}) {
    context.fillStyle = ink;
    context.textBaseline = "top";
    for (const step of ticks(from, last, width > 420 ? 5 : 3)) {
      context.textAlign = across(step) > width - 24 ? "right" : "center";
      context.fillText(spaced(step), across(step), height - bottom + 2);
    }
    context.textAlign = "right";
    context.fillText("minimisation step t", width - 6, height - 14);
  }
}
