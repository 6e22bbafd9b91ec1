/* The playground: controls, loop, and what is shown. `mount` puts one into an element of a page. */
const SPEED_NAMES = {
  1: "1 step/s", 10: "10 steps/s", 100: "100 steps/s", 500: "500 steps/s", 1500: "1500 steps/s", 5000: "5000 steps/s",
  full: "as fast as it goes",
};
const VIEW_NAMES = {close: "last 200 steps", cycle: "last cycle", run: "whole run"};
const NAMES = ["gamma0", "gamma1", "gamma2", "loss", "change", "accuracy", "curvature"];
const ROWS = {
  step: "step t", gamma0: "Γ₀, vermilion ●", gamma1: "Γ₁, amber ▲", gamma2: "Γ₂, blue ■", loss: "loss F (nats)",
  change: "F(t) − F(t−1) (nats)", accuracy: "training accuracy", curvature: "λₘₐₓ of the Hessian", edge: "2/η",
  cascades: "cascades so far", pace: "steps a second",
};
const PATIENCE = 30000; // steps in which "to the next cascade" finds one, or six periods
let instances = 0;

const option = (value, text) => `<option value="${value}">${text}</option>`;

function slider(id, name, label) {
  return `<div class="dl-field dl-slider"><label for="${id}-${name}">${label}</label>
    <input type="range" min="0" max="1000" data-slider="${name}" aria-label="${label}, slider">
    <input type="number" id="${id}-${name}" data-number="${name}" min="${SETTINGS[name].low}"
      max="${SETTINGS[name].high}" step="any"></div>`;
}

function number(id, name, label) {
  return `<div class="dl-field dl-narrow"><label for="${id}-${name}">${label}</label>
    <input type="number" id="${id}-${name}" data-number="${name}" min="${SETTINGS[name].low}"
      max="${SETTINGS[name].high}" step="1"></div>`;
}

function select(id, name, label, names) {
  const options = SETTINGS[name].options.map((value) => option(value, names[value])).join("");
  return `<div class="dl-field"><label for="${id}-${name}">${label}</label>
    <select id="${id}-${name}" data-select="${name}">${options}</select></div>`;
}

const button = (name, text) => `<button type="button" data-button="${name}">${text}</button>`;

function skeleton(id, small) {
  const presets = Object.entries(PRESETS).map(([key, {name}]) =>
    `<button type="button" data-preset="${key}" aria-pressed="false">${name}</button>`).join("");
  const rows = Object.entries(ROWS).map(([key, text]) => `<tr><th scope="row">${text}</th><td data-value="${key}">–</td></tr>`);
  const shown = small ? "decision regions" : "decision regions of the network on the plane, with the 300 points of the spiral";
  const buttons = [button("play", "Play"), small ? "" : button("step", "Step"), button("next", "To the next cascade"),
    button("reset", "Reset"), small ? "" : select(id, "view", "curves", VIEW_NAMES)].join("");
  const cases = small ? "" : `
    <div class="dl-presets" role="group" aria-label="Cases of the paper">${presets}</div>`;
  const controls = small ? "" : `
    <div class="dl-fields" role="group" aria-label="Settings">
      ${slider(id, "amplitude", "A, amplitude")}
      ${slider(id, "period", "T, period (steps)")}
      ${slider(id, "learningRate", "η, learning rate")}
      ${number(id, "width", "width")}
      ${number(id, "seed", "seed")}
      ${select(id, "shape", "shape of Γ", {triangular: "triangular", static: "static"})}
      ${select(id, "speed", "speed", SPEED_NAMES)}
    </div>`;
  const table = `<details class="dl-numbers" ${small ? "" : "open"}><summary>The numbers</summary>
      <table><caption class="dl-hidden">The numbers of this step</caption><tbody>${rows.join("")}</tbody></table></details>`;
  return `
    <div class="dl-buttons" role="group" aria-label="Training and curves">${buttons}</div>${cases}
    <p class="dl-sentence" data-sentence></p>
    <p class="dl-hidden" role="status" aria-live="polite" data-live></p>
    <div class="dl-stage">
      <canvas class="dl-plane" role="img" aria-label="${shown}"></canvas>
      <canvas class="dl-series" role="img" aria-label="curves against the step; the table holds their latest values"></canvas>
      ${table}
    </div>
    ${controls}`;
}

/* A slider's place, 0 to 1000, on a logarithmic scale, and back. */
const placeOf = (name, value) => {
  const {low, high} = SETTINGS[name];
  return Math.round(1000 * Math.log(value / low) / Math.log(high / low));
};
const valueAt = (name, place) => {
  const {low, high, whole} = SETTINGS[name];
  const value = Number((low * (high / low) ** (place / 1000)).toPrecision(2));
  return whole ? Math.round(value) : value;
};

class Playground {
  constructor(element, {bytes, settings, small = false, onSettings = () => {}, onRecord = () => {}}) {
    Object.assign(this, {element, settings, onSettings, onRecord, reduced: matchMedia("(prefers-reduced-motion: reduce)")});
    element.classList.add("dl-playground");
    element.classList.toggle("dl-small", small);
    element.innerHTML = skeleton(`dl${instances++}`, small);
    this.plane = new Plane(this.find(".dl-plane"));
    this.series = new Series(this.find(".dl-series"), small ? ["loss", "curvature"] : NAMES);
    this.histories = {};
    this.playing = this.seeking = this.stopped = false;
    this.asked = 0; // frames that the worker has still to deliver
    this.listen();
    this.ready = this.start(bytes);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  async start(bytes) {
    this.engine = startEngine();
    this.points = (await this.engine.ask("load", {bytes: await bytes})).points;
    await this.reset();
    this.element.dataset.ready = "yes";
  }

  /* ---- controls ---- */

  listen() {
    const actions = {
      play: () => (this.playing ? this.pause() : this.play()),
      step: () => this.single(),
      next: () => this.toNextCascade(),
      reset: () => this.reset(),
    };
    this.element.addEventListener("click", ({target}) => {
      const {button, preset} = target.dataset;
      if (!this.points) return; // the engine is still on its way
      if (button) actions[button]();
      if (preset) this.choose(presetSettings(preset), true);
    });
    this.element.addEventListener("input", ({target}) => {
      const name = target.dataset.slider;
      if (name) this.choose({[name]: valueAt(name, Number(target.value))});
    });
    this.element.addEventListener("change", ({target}) => {
      const name = target.dataset.number || target.dataset.select;
      if (!name) return;
      const value = allowed(name, target.value);
      if (value !== null) this.choose({[name]: value});
      this.show();
    });
    this.onVisible = () => {
      this.clock = performance.now();
      if (!document.hidden) this.pump();
    };
    document.addEventListener("visibilitychange", this.onVisible);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
    // The page's colours change by a click as well as by the device.
    this.themes = new MutationObserver(() => this.draw());
    this.themes.observe(document.documentElement, {attributeFilter: ["data-theme", "data-mode", "theme"]});
  }

  /* Other settings; those of the network itself, and presets, begin anew. */
  async choose(changes, anew = false) {
    const before = this.settings;
    this.settings = {...before, ...changes};
    const {width, seed, period} = this.settings;
    this.show();
    this.onSettings(this.settings);
    if (anew || width !== before.width || seed !== before.seed) return this.reset();
    if (period !== before.period) this.histories.cycle = this.cycle();
    await this.engine.ask("set", this.forEngine());
    return this.draw();
  }

  forEngine() {
    return {...this.settings, triangular: this.settings.shape === "triangular"};
  }

  /* The controls show the settings, and the buttons what they would do. */
  show() {
    const {settings} = this;
    for (const input of this.element.querySelectorAll("[data-slider]")) {
      const name = input.dataset.slider, value = settings[name];
      // A slider that says the same stays: it has more places than the numbers have digits.
      if (valueAt(name, Number(input.value)) !== value) input.value = placeOf(name, value);
      input.setAttribute("aria-valuetext", short(value));
    }
    for (const input of this.element.querySelectorAll("[data-number]")) input.value = settings[input.dataset.number];
    for (const input of this.element.querySelectorAll("[data-select]")) input.value = settings[input.dataset.select];
    for (const chip of this.element.querySelectorAll("[data-preset]")) {
      const wanted = presetSettings(chip.dataset.preset);
      const same = ["period", "amplitude", "learningRate", "width", "seed", "shape"].every((k) => wanted[k] === settings[k]);
      chip.setAttribute("aria-pressed", String(same));
    }
    this.find("[data-button=play]").textContent = this.playing ? "Pause" : "Play";
    const over = Boolean(this.frame && ended(this.frame));
    for (const name of ["play", "step", "next"]) {
      const found = this.find(`[data-button=${name}]`);
      if (found) found.disabled = over;
    }
    this.element.dataset.state = over ? "diverged" : this.playing ? "playing" : "paused";
  }

  /* ---- the loop ---- */

  /* Three periods, each class once; of very short ones more, or there would be too little to see. */
  cycle() {
    const steps = Math.max(60, 3 * this.settings.period), size = Math.ceil(steps / 900);
    return new History({bins: Math.ceil(steps / size), size, grows: false, names: NAMES});
  }

  async reset() {
    this.pause();
    const round = (this.round = (this.round || 0) + 1);
    await this.engine.ask("set", this.forEngine());
    const frame = await this.engine.ask("reset", this.settings);
    if (round !== this.round || this.stopped) return;
    this.histories = {
      close: new History({bins: 200, size: 1, grows: false, names: NAMES}),
      cycle: this.cycle(),
      run: new History({bins: 1024, size: 1, grows: true, names: NAMES}),
    };
    this.cascades = [];
    this.cascade = null; // the latest stretch in which the loss bounced, if it is a cascade
    this.counted = this.stretches = this.bounced = 0;
    this.lastLoss = this.change = NaN;
    this.trend = this.slow = undefined;
    this.pace = 0;
    this.missed = false;
    this.absorb(frame);
  }

  play() {
    if (this.playing || !this.frame || ended(this.frame)) return;
    this.playing = true;
    this.missed = false;
    this.owed = 0;
    this.clock = this.paceClock = performance.now();
    this.paceStep = this.frame.step;
    this.show();
    const turn = (this.turn = (this.turn || 0) + 1); // a loop of an earlier play ends here
    const tick = () => {
      if (!this.playing || turn !== this.turn) return;
      requestAnimationFrame(tick);
      this.pump();
      const rest = this.reduced.matches ? 500 : 40; // milliseconds between pictures: enough for the eye
      if (performance.now() - (this.drawn || 0) > rest) this.draw();
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    this.playing = this.seeking = false;
    this.rest();
  }

  async single() {
    this.pause();
    await this.advance(1);
  }

  toNextCascade() {
    if (!this.frame || ended(this.frame)) return;
    this.seeking = this.frame.step + Math.max(PATIENCE, 6 * this.settings.period);
    this.play();
  }

  /* Ask for the steps that are due, unless the worker is still at the last ones or nobody looks. At full speed it always
     has one more frame to do than the page waits for; but where a cascade begins it has to stop. */
  pump() {
    const full = this.settings.speed === "full" || this.seeking !== false;
    if (!this.playing || this.asked >= (full && this.seeking === false ? 2 : 1) || document.hidden) return;
    const now = performance.now();
    const speed = Number(this.settings.speed);
    this.owed = full ? 1e9 : Math.min(this.owed + speed * (now - this.clock) / 1000, Math.max(1, speed * 0.1));
    this.clock = now;
    if (this.owed < 1) return;
    const steps = Math.floor(this.owed);
    this.owed = full ? 0 : this.owed - steps;
    this.advance(steps).then(() => full && this.pump());
  }

  async advance(steps) {
    if (ended(this.frame)) return;
    const round = this.round;
    this.asked++;
    const untilCascade = this.seeking !== false;
    try {
      const frame = await this.engine.ask("advance", {steps, untilCascade});
      if (round === this.round && !this.stopped) this.absorb(frame);
    } catch (error) {
      if (!this.stopped) fail(this.element, error, this);
    } finally {
      this.asked--;
    }
  }

  /* A frame becomes part of what has happened. */
  absorb(frame) {
    const histories = Object.values(this.histories);
    for (let n = 0; n < frame.taken; n++) {
      const loss = frame.losses[n], change = loss - this.lastLoss;
      const values = {
        loss, accuracy: frame.accuracies[n],
        gamma0: frame.tilts[3 * n], gamma1: frame.tilts[3 * n + 1], gamma2: frame.tilts[3 * n + 2],
      };
      if (Number.isFinite(change)) values.change = change;
      for (const history of histories) history.add(frame.first + n, values);
      this.lastLoss = loss;
    }
    this.change = frame.loss - this.lastLoss;
    for (const history of histories) {
      if (Number.isFinite(frame.before)) history.add(frame.step - 1, {curvature: frame.before});
      history.add(frame.step, {curvature: frame.curvature});
    }
    const other = frame.taken === 1 ? this.frame.curvature : frame.before;
    this.sides = [other, frame.curvature].filter(Number.isFinite);
    frame.readings.forEach((reading) => this.mark(reading));
    if (this.slow !== undefined) this.trend = Math.sign(Math.round(20 * Math.log(frame.curvature / this.slow)));
    this.slow = this.slow === undefined ? frame.curvature : 0.9 * this.slow + 0.1 * frame.curvature;
    this.frame = frame;
    const found = frame.found && this.cascade !== null;
    const sought = this.seeking !== false && (found || frame.step >= this.seeking);
    if (sought) this.missed = !found;
    if (sought || ended(frame)) this.playing = this.seeking = false;
    if (!this.playing) this.rest();
  }

  /* Nothing more comes: show where it stands. */
  rest() {
    this.show();
    this.draw();
    this.say(true);
    this.onRecord(this);
  }

  /* Where cascades start and end; the latest 300 of them. The engine counts every stretch in which the loss bounces; one
     that begins while no weight oscillates is no cascade, but the edge of stability. */
  mark({step, cascades, started, bounced}) {
    const begun = cascades - this.stretches;
    if (begun) {
      if (this.cascade) this.cascade.end ??= this.bounced;
      this.cascade = still(this.settings) ? null : {start: started, end: null};
    }
    if (begun && this.cascade) {
      this.counted += begun;
      this.cascades.push(this.cascade);
      if (this.cascades.length > 300) this.cascades.shift();
    }
    Object.assign(this, {stretches: cascades, bounced});
    const over = step - bounced > Math.max(1, this.settings.period / 10);
    if (this.cascade) this.cascade.end = over ? bounced : null;
  }

  /* ---- what is shown ---- */

  draw() {
    const {frame, settings} = this;
    if (!frame || this.stopped) return;
    this.drawn = performance.now();
    this.plane.draw({points: this.points, frame});
    const view = this.element.classList.contains("dl-small") ? "cycle" : settings.view;
    this.series.draw({history: this.histories[view], cascades: this.cascades, edge: 2 / settings.learningRate});
    this.tell();
    this.say(false);
  }

  /* The numbers, five times a second. */
  tell() {
    const now = performance.now();
    if (this.playing && now - (this.told || 0) < 200) return;
    this.told = now;
    const {frame, settings} = this;
    const window = frame.step - this.paceStep > 20 ? 500 : 3000; // milliseconds; single steps need longer
    if (this.playing && now - this.paceClock > window) {
      this.pace = (frame.step - this.paceStep) / (now - this.paceClock) * 1000;
      Object.assign(this, {paceClock: now, paceStep: frame.step});
    }
    const values = {
      step: spaced(frame.step), gamma0: short(frame.gammas[0]), gamma1: short(frame.gammas[1]),
      gamma2: short(frame.gammas[2]), loss: short(frame.loss), change: Number.isNaN(this.change) ? "–" : short(this.change),
      accuracy: short(frame.accuracy), curvature: short(frame.curvature), edge: short(2 / settings.learningRate),
      cascades: String(this.counted), pace: this.playing ? spaced(this.pace) : "–",
    };
    for (const name in values) this.find(`[data-value=${name}]`).textContent = values[name];
  }

  /* The sentence twice a second; what a screen reader says, rarely, and at once when training stops. */
  say(now) {
    const {frame, settings} = this, time = performance.now();
    if (!now && !ended(frame) && time - (this.said || 0) < 500) return;
    this.said = time;
    const state = {
      edge: 2 / settings.learningRate, trend: this.trend || 0, sides: this.sides,
      cascade: this.cascade && !still(settings) ? this.counted : 0,
    };
    const missed = this.missed ? "No cascade in that many steps. " : "";
    const text = missed + narrate(frame, settings, state);
    this.find("[data-sentence]").textContent = text;
    const live = this.find("[data-live]");
    if (live.textContent !== text && (now || ended(frame) || time - (this.spoken || 0) > 8000)) {
      this.spoken = time;
      live.textContent = `Step ${frame.step}. ${text.replaceAll("λₘₐₓ", "lambda max")}`;
    }
    if (this.playing && time - (this.recorded || 0) > 1000) {
      this.recorded = time;
      this.onRecord(this);
    }
  }

  /* ---- the end ---- */

  stop() {
    this.stopped = true;
    this.playing = false;
    document.removeEventListener("visibilitychange", this.onVisible);
    this.observer.disconnect();
    this.themes.disconnect();
    this.engine.stop();
  }
}

/* Put a playground into an element; where it cannot run, say so instead. */
function mount(element, options) {
  try {
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") throw new Error("it has no WebAssembly");
    const playground = new Playground(element, options);
    playground.ready.catch((error) => fail(element, error, playground));
    return playground;
  } catch (error) {
    fail(element, error);
    return null;
  }
}

function fail(element, error, playground) {
  if (playground) playground.stop();
  element.dataset.state = "unavailable";
  element.className = "dl-playground dl-unavailable";
  const note = document.createElement("p");
  note.textContent = `The playground cannot run in this browser: ${error.message}. `;
  const link = element.dataset.instead;
  if (link) {
    const anchor = Object.assign(document.createElement("a"), {href: link, textContent: "A picture of it, and the figure that it follows."});
    note.append(anchor);
  }
  element.replaceChildren(note);
}
