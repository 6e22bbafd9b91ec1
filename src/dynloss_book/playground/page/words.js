/* What the pictures show, in words. */
const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

/* Without an oscillation. */
const still = ({shape, amplitude}) => shape === "static" || amplitude === 1;

function emphasis(frame, settings) {
  if (still(settings)) return "All classes count the same, Γ = 1.";
  const turn = Math.floor(frame.step / settings.period), kind = turn % 3;
  const rising = frame.step - turn * settings.period <= settings.period / 2;
  const what = rising ? "gains weight" : "gives its weight back";
  return `Class ${kind} (${CLASS_NAMES[kind]}) ${what}, Γ${"₀₁₂"[kind]} = ${short(frame.gammas[kind])}.`;
}

function valley(frame, {edge, cascade, sides, trend}) {
  const curvature = short(frame.curvature), limit = short(edge);
  if (frame.bouncing) {
    const where = cascade ? `between the walls of its valley: cascade ${cascade},` : "at the edge of stability,";
    const both = sides.map(short).join(" and ") + (sides.length > 1 ? " in turn" : "");
    return `The loss bounces ${where} since step ${spaced(frame.started)}; λₘₐₓ = ${both}, 2/η = ${limit}.`;
  }
  if (frame.curvature > edge) return `λₘₐₓ = ${curvature} is beyond 2/η = ${limit}: the valley is too narrow for this η.`;
  const how = {"1": "The valley narrows", "-1": "The valley widens", "0": "The valley keeps its width"}[trend];
  return `${how}: λₘₐₓ = ${curvature}, below 2/η = ${limit}.`;
}

function outcome(frame, settings) {
  const right = `${percent(frame.accuracy)} of the points are right`;
  if (frame.accuracy >= 0.95) return `${right}: the spiral is learned.`;
  if (still(settings) && frame.step >= 10000 && frame.accuracy < 0.7) return `${right}: the static loss is stuck in a poor valley.`;
  return `${right}.`;
}

const ended = (frame) => frame.diverged || frame.silent;

/* One sentence or two on what happens at this moment. */
function narrate(frame, settings, state) {
  if (frame.diverged) {
    return `Diverged at step ${spaced(frame.step)}: the loss is no longer a finite number. The steps were too large for ` +
      "this valley. Choose a smaller η or A, and reset.";
  }
  if (frame.silent) {
    return `Diverged at step ${spaced(frame.step)}: a step was so large that every hidden unit fell silent. ` +
      "Nothing can be learned any more. Choose a smaller η or A, and reset.";
  }
  if (frame.step === 0) return "A network with random weights. Press Play, and it learns the spiral.";
  return [emphasis(frame, settings), valley(frame, state), outcome(frame, settings)].join(" ");
}
