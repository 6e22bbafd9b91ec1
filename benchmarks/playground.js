/* The arithmetic of the playground's engine in plain JavaScript on typed arrays, as training_step.c does it in C: the peer
   of benchmarks/playground.py. `typedArrays(points, width, weights)` returns a function that takes so many steps. */
function typedArrays(points, width, initial, period, amplitude, rate) {
  const P = 300, C = 3;
  const x0 = new Float64Array(P), x1 = new Float64Array(P), h = new Float64Array(width * P), z = new Float64Array(C * P);
  for (let n = 0; n < P; n++) [x0[n], x1[n]] = [points[2 * n], points[2 * n + 1]];
  const u = new Float64Array(width), v = new Float64Array(width), b = new Float64Array(width);
  const w2 = new Float64Array(C * width), b2 = new Float64Array(C), gamma = new Float64Array(C);
  for (let j = 0; j < width; j++) {
    [u[j], v[j], b[j]] = initial.subarray(6 * j, 6 * j + 3);
    w2.set(initial.subarray(6 * j + 3, 6 * j + 6), 3 * j);
  }
  const slope = 2 * (amplitude - 1) / period;
  let t = 0;

  function step() {
    const turn = Math.floor(t / period), phase = t - turn * period;
    const wave = phase <= period / 2 ? 1 + slope * phase : 2 * amplitude - 1 - slope * phase;
    for (let k = 0; k < C; k++) gamma[k] = C * (k === turn % C ? wave : 1) / (wave + C - 1);
    for (let k = 0; k < C; k++) z.fill(b2[k], k * P, (k + 1) * P);
    for (let j = 0; j < width; j++) {
      const uj = u[j], vj = v[j], bj = b[j], a0 = w2[3 * j], a1 = w2[3 * j + 1], a2 = w2[3 * j + 2], row = j * P;
      for (let n = 0; n < P; n++) {
        const sum = uj * x0[n] + vj * x1[n] + bj, unit = sum > 0 ? sum : 0;
        h[row + n] = unit;
        z[n] += a0 * unit;
        z[P + n] += a1 * unit;
        z[2 * P + n] += a2 * unit;
      }
    }
    let loss = 0;
    for (let n = 0; n < P; n++) {
      const kind = Math.floor(n / 100), peak = Math.max(z[n], z[P + n], z[2 * P + n]), own = z[kind * P + n];
      const e0 = Math.exp(z[n] - peak), e1 = Math.exp(z[P + n] - peak), e2 = Math.exp(z[2 * P + n] - peak);
      const total = e0 + e1 + e2, c = gamma[kind] / P;
      loss += c * (Math.log(total) + peak - own);
      z[n] = c * (e0 / total - (kind === 0 ? 1 : 0));
      z[P + n] = c * (e1 / total - (kind === 1 ? 1 : 0));
      z[2 * P + n] = c * (e2 / total - (kind === 2 ? 1 : 0));
    }
    for (let j = 0; j < width; j++) {
      const a0 = w2[3 * j], a1 = w2[3 * j + 1], a2 = w2[3 * j + 2], row = j * P;
      let g0 = 0, g1 = 0, g2 = 0, gu = 0, gv = 0, gb = 0;
      for (let n = 0; n < P; n++) {
        const unit = h[row + n], d0 = z[n], d1 = z[P + n], d2 = z[2 * P + n];
        const back = unit > 0 ? a0 * d0 + a1 * d1 + a2 * d2 : 0;
        g0 += unit * d0;
        g1 += unit * d1;
        g2 += unit * d2;
        gu += back * x0[n];
        gv += back * x1[n];
        gb += back;
      }
      u[j] -= rate * gu;
      v[j] -= rate * gv;
      b[j] -= rate * gb;
      w2[3 * j] -= rate * g0;
      w2[3 * j + 1] -= rate * g1;
      w2[3 * j + 2] -= rate * g2;
    }
    for (let k = 0; k < C; k++) for (let n = 0; n < P; n++) b2[k] -= rate * z[k * P + n];
    t++;
    return loss;
  }

  return (steps) => {
    let loss = NaN;
    for (let n = 0; n < steps; n++) loss = step();
    return loss;
  };
}
