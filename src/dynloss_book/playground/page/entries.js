/* The ways in: a page of the book, and a notebook. */

/* In the book: an element with data-dynloss-playground="full" or "small". A full one keeps its settings in the address;
   a small one fetches the engine when it is about to be seen. */
function enter(element) {
  const small = element.dataset.dynlossPlayground === "small";
  const address = new URL("engine.wasm", import.meta.url);
  const bytes = fetch(address).then((answer) => {
    if (!answer.ok) throw new Error(`${answer.status} for its engine`);
    return answer.arrayBuffer();
  });
  const onSettings = small ? undefined : (settings) =>
    history.replaceState(null, "", `${location.pathname}?${addressOf(settings)}${location.hash}`);
  mount(element, {bytes, small, onSettings, settings: small ? presetSettings("figure4") : settingsOf(location.search)});
}

const seen = new IntersectionObserver((entries) => {
  for (const {isIntersecting, target} of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    enter(target);
  }
}, {rootMargin: "200px"});
for (const element of document.querySelectorAll("[data-dynloss-playground]")) seen.observe(element);

/* In a notebook: anywidget calls `render` with the traits of dynloss.playground.widget.Playground. */
const TRAITS = {
  period: "period", amplitude: "amplitude", learningRate: "learning_rate", width: "width", seed: "seed", shape: "shape",
  speed: "speed", view: "view",
};

/* The whole run as numbers: a row a bin, NaN where a quantity was not measured. */
function recordOf({histories, cascades}) {
  const {run} = histories, columns = NAMES.flatMap((name) => [run.low[name], run.high[name]]), rows = [];
  for (let bin = 0; bin < run.count; bin++) {
    rows.push((bin + 0.5) * run.size - 0.5, ...columns.map((column) => (Number.isFinite(column[bin]) ? column[bin] : NaN)));
  }
  return {
    rows: new DataView(Float64Array.from(rows).buffer),
    cascades: cascades.map(({start, end}) => [start, end]),
  };
}

function render({model, el}) {
  const settings = Object.fromEntries(Object.entries(TRAITS).map(([name, trait]) => [name, model.get(trait)]));
  const view = model.get("_engine"), bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const playground = mount(el, {
    bytes: Promise.resolve(bytes),
    settings,
    onSettings(chosen) {
      for (const [name, trait] of Object.entries(TRAITS)) model.set(trait, chosen[name]);
      model.save_changes();
    },
    onRecord(page) {
      const {rows, cascades} = recordOf(page);
      model.set("_record", rows);
      model.set("_cascades", cascades);
      model.set("step", page.frame.step);
      model.save_changes();
    },
  });
  if (!playground) return undefined;
  for (const [name, trait] of Object.entries(TRAITS)) {
    model.on(`change:${trait}`, () => {
      if (playground.settings[name] !== model.get(trait)) playground.choose({[name]: model.get(trait)});
    });
  }
  return () => playground.stop();
}

export {mount, PRESETS, SETTINGS};
export default {render};
