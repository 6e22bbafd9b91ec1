/* Gradient descent on eq. (1) for one hidden layer of ReLU units: the arithmetic of dynloss's step as plain loops.
   Arrays lie as (units, samples). REAL is float or double. */
#include <math.h>

#ifndef REAL
#define REAL float
#endif
enum { WIDTH = 100, SAMPLES = 300, CLASSES = 3 };

static REAL h[WIDTH][SAMPLES], z[CLASSES][SAMPLES];

#define EXP(x) _Generic((x), float: expf, double: exp)(x)
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

void train(const REAL *x, const int *y, REAL *w1, REAL *b1, REAL *w2, REAL *b2, long steps, REAL period, REAL amplitude) {
  const REAL *x0 = x, *x1 = x + SAMPLES, slope = 2 * (amplitude - 1) / period;
  for (long t = 0; t < steps; t++) {
    long turn = (long)(t / period);
    REAL phase = t - turn * period;
    REAL wave = phase <= period / 2 ? 1 + slope * phase : 2 * amplitude - 1 - slope * phase;
    REAL gamma[CLASSES];
    for (int k = 0; k < CLASSES; k++) gamma[k] = CLASSES * (k == turn % CLASSES ? wave : 1) / (wave + CLASSES - 1);

    for (int k = 0; k < CLASSES; k++)
      for (int n = 0; n < SAMPLES; n++) z[k][n] = b2[k];
    for (int j = 0; j < WIDTH; j++) {
      REAL u = w1[j], v = w1[WIDTH + j], b = b1[j], a0 = w2[3 * j], a1 = w2[3 * j + 1], a2 = w2[3 * j + 2];
      for (int n = 0; n < SAMPLES; n++) {
        REAL unit = u * x0[n] + v * x1[n] + b;
        unit = unit > 0 ? unit : 0;
        h[j][n] = unit;
        z[0][n] += a0 * unit, z[1][n] += a1 * unit, z[2][n] += a2 * unit;
      }
    }
    for (int n = 0; n < SAMPLES; n++) {
      REAL larger = LARGER(z[0][n], z[1][n]), peak = LARGER(larger, z[2][n]);
      REAL e0 = EXP(z[0][n] - peak), e1 = EXP(z[1][n] - peak), e2 = EXP(z[2][n] - peak), share = 1 / (e0 + e1 + e2);
      REAL m0 = y[n] == 0, m1 = y[n] == 1, m2 = y[n] == 2, c = (m0 * gamma[0] + m1 * gamma[1] + m2 * gamma[2]) / SAMPLES;
      z[0][n] = c * (e0 * share - m0), z[1][n] = c * (e1 * share - m1), z[2][n] = c * (e2 * share - m2);
    }
    for (int j = 0; j < WIDTH; j++) {
      REAL a0 = w2[3 * j], a1 = w2[3 * j + 1], a2 = w2[3 * j + 2];
      REAL g0 = 0, g1 = 0, g2 = 0, gu = 0, gv = 0, gb = 0;
      for (int n = 0; n < SAMPLES; n++) {
        REAL unit = h[j][n], back = a0 * z[0][n] + a1 * z[1][n] + a2 * z[2][n];
        back = unit > 0 ? back : 0;
        g0 += unit * z[0][n], g1 += unit * z[1][n], g2 += unit * z[2][n];
        gu += back * x0[n], gv += back * x1[n], gb += back;
      }
      w2[3 * j] -= g0, w2[3 * j + 1] -= g1, w2[3 * j + 2] -= g2;
      w1[j] -= gu, w1[WIDTH + j] -= gv, b1[j] -= gb;
    }
    for (int k = 0; k < CLASSES; k++) {
      REAL total = 0;
      for (int n = 0; n < SAMPLES; n++) total += z[k][n];
      b2[k] -= total;
    }
  }
}
