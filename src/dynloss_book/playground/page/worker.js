/* The engine's worker: it holds the WebAssembly module and takes as many steps as the page asks for, off its thread.
   Started from this function's own text, so that one file serves the book and the notebook. */
function engineWorker() {
  const SIDE = {narrow: 80, wide: 48}; // squares along an edge of the picture; a wide network gets fewer
  const REACH = 1.15; // the picture covers (-1.15, 1.15) squared; the spiral's radius is 1
  const PRODUCTS = 5; // with the Hessian, a frame
  const BUDGET = 20; // milliseconds of training a frame, at most
  const QUIET = 8; // steps without a bounce after which nobody speaks of it
  let engine, width;

  const numbers = (pointer, size) => new Float64Array(engine.memory.buffer, pointer, size);

  /* No unit answers to any point: nothing but the last biases can move, for ever. */
  const isSilent = () => numbers(engine.gradient(), 6 * width).every((value) => value === 0);

  const reading = () => ({
    step: engine.step(), cascades: engine.cascades(), started: engine.started(), bounced: engine.bounced(),
  });

  const bouncing = () => engine.cascades() > 0 && engine.step() - engine.bounced() <= QUIET;

  /* Pieces of a frame's steps, so that the clock is read now and then, and no cascade is passed over. */
  function train(asked, untilCascade) {
    const piece = Math.min(64, Math.max(1, Math.floor(6400 / width)));
    const until = performance.now() + BUDGET, seen = engine.cascades();
    const losses = [], accuracies = [], tilts = [], readings = [];
    let taken = 0, finite = true;
    while (taken < asked && finite && performance.now() < until && !(untilCascade && engine.cascades() > seen)) {
      const wanted = Math.min(piece, asked - taken), done = engine.run(wanted, untilCascade ? 1 : 0);
      finite = done === wanted || (untilCascade && engine.cascades() > seen);
      losses.push(...numbers(engine.losses(), done));
      accuracies.push(...numbers(engine.accuracies(), done));
      tilts.push(...numbers(engine.tilts(), 3 * done));
      readings.push(reading());
      taken += done;
    }
    return {taken, finite, losses, accuracies, tilts, readings};
  }

  function frame(asked, untilCascade) {
    const first = engine.step(), seen = engine.cascades();
    let record = train(asked, untilCascade), before = NaN;
    const found = engine.cascades() > seen;
    // While the loss bounces λ_max has two branches: both sides of one more step show them.
    if (asked > 1 && record.finite && !found && bouncing()) {
      before = engine.curvature(PRODUCTS);
      record = joined(record, train(1, false));
    }
    const silent = record.taken > 0 && record.finite && isSilent();
    const loss = record.finite ? engine.evaluate() : NaN; // also sets Γ of the step that comes
    const side = width > 300 ? SIDE.wide : SIDE.narrow;
    engine.draw(side, REACH);
    return {
      ...record, ...reading(), first, before, loss, side, silent, found,
      reach: REACH,
      bouncing: bouncing(),
      accuracy: engine.accuracy(),
      diverged: !record.finite || !Number.isFinite(loss),
      gammas: numbers(engine.gammas(), 3).slice(),
      curvature: record.finite ? engine.curvature(PRODUCTS) : NaN,
      picture: new Uint8Array(engine.memory.buffer, engine.picture(), 3 * side * side).slice(),
    };
  }

  /* Two records, one after the other. */
  const joined = (one, two) => ({
    taken: one.taken + two.taken,
    finite: two.finite,
    losses: [...one.losses, ...two.losses],
    accuracies: [...one.accuracies, ...two.accuracies],
    tilts: [...one.tilts, ...two.tilts],
    readings: [...one.readings, ...two.readings],
  });

  const commands = {
    async load({bytes}) {
      engine = (await WebAssembly.instantiate(bytes)).instance.exports;
      return {points: numbers(engine.points(), 600).slice()};
    },
    set({period, amplitude, learningRate, triangular}) {
      engine.set(period, amplitude, learningRate, triangular ? 1 : 0);
      return null;
    },
    reset(settings) {
      width = settings.width;
      engine.reset(width, settings.seed);
      return frame(0, false);
    },
    advance: ({steps, untilCascade}) => frame(steps, untilCascade),
  };

  self.onmessage = async ({data}) => {
    try {
      const answer = await commands[data.command](data);
      self.postMessage({id: data.id, answer});
    } catch (error) {
      self.postMessage({id: data.id, error: String(error)});
    }
  };
}

/* The worker as promises: `await engine.ask("advance", {steps: 10})`. */
function startEngine() {
  const source = URL.createObjectURL(new Blob([`(${engineWorker})()`], {type: "text/javascript"}));
  const worker = new Worker(source);
  const waiting = new Map();
  let next = 0;
  worker.onmessage = ({data}) => {
    const {resolve, reject} = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) reject(new Error(data.error));
    else resolve(data.answer);
  };
  worker.onerror = (event) => waiting.forEach(({reject}) => reject(new Error(event.message || "the worker failed")));
  return {
    ask(command, values = {}) {
      const id = next++;
      worker.postMessage({...values, command, id});
      return new Promise((resolve, reject) => waiting.set(id, {resolve, reject}));
    },
    stop() {
      worker.terminate();
      URL.revokeObjectURL(source);
    },
  };
}
