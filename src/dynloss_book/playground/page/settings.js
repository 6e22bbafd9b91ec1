/* What can be chosen: by the controls, by the address, from Python. */
const SETTINGS = {
  period: {key: "T", low: 2, high: 20000, whole: true, initial: 5000},
  amplitude: {key: "A", low: 1, high: 1000, initial: 70},
  learningRate: {key: "eta", low: 0.01, high: 10, initial: 1},
  width: {key: "width", low: 1, high: 1000, whole: true, initial: 100},
  seed: {key: "seed", low: 0, high: 4294967295, whole: true, initial: 0},
  shape: {key: "shape", options: ["triangular", "static"], initial: "triangular"},
  speed: {key: "speed", options: ["1", "10", "100", "500", "1500", "5000", "full"], initial: "1500"},
  view: {key: "view", options: ["close", "cycle", "run"], initial: "cycle"},
};

/* The paper's cases; each leaves the other settings at their initial values. */
const PRESETS = {
  figure4: {name: "Figure 4", period: 5000, amplitude: 70},
  static: {name: "Static loss: fails", shape: "static", amplitude: 1, speed: "5000", view: "run"},
  best: {name: "Best of Figure 3", period: 108, amplitude: 10, speed: "full", view: "run"},
  tooLarge: {name: "Too large A: forgets", period: 1000, amplitude: 1000, speed: "5000"},
};

const initialSettings = () =>
  Object.fromEntries(Object.entries(SETTINGS).map(([name, {initial}]) => [name, initial]));

const presetSettings = (preset) => {
  const {name: _, ...chosen} = PRESETS[preset];
  return {...initialSettings(), ...chosen};
};

/* The nearest allowed value, or null where there is none. */
function allowed(name, value) {
  const {options, low, high, whole} = SETTINGS[name];
  if (options) return options.includes(String(value)) ? String(value) : null;
  const number = value === "" || value === null ? NaN : Number(value);
  if (!Number.isFinite(number)) return null;
  const within = Math.min(Math.max(number, low), high);
  return whole ? Math.round(within) : within;
}

function settingsOf(address) {
  const query = new URLSearchParams(address), found = initialSettings();
  for (const [name, {key}] of Object.entries(SETTINGS)) {
    const value = query.has(key) ? allowed(name, query.get(key)) : null;
    if (value !== null) found[name] = value;
  }
  return found;
}

const addressOf = (settings) =>
  new URLSearchParams(Object.entries(SETTINGS).map(([name, {key}]) => [key, settings[name]])).toString();
