/* exp, log and the inverse of erf from additions, products and divisions alone, so that every machine gives the same
   bits: the mathematics of browsers and of C libraries differ in the last one. No fused products, no relaxed SIMD. */
#pragma once

typedef double pair __attribute__((vector_size(16)));      /* two numbers, one SIMD register */
typedef long long truths __attribute__((vector_size(16))); /* what a comparison of pairs gives: 0 or -1 in each half */

static inline pair both(double x) { return (pair){x, x}; }
static inline double sum(pair x) { return x[0] + x[1]; }
/* a where the comparison holds, else b; the larger of two, where a first one that is no number stays. */
static inline pair choose(truths which, pair a, pair b) { return (pair)((which & (truths)a) | (~which & (truths)b)); }
static inline pair larger(pair a, pair b) { return __builtin_wasm_pmax_f64x2(a, b); }

/* e^x to about one unit in the last place, for x <= 709; below -708 it stays at e^-708. */
static inline pair exponential(pair x) {
  const double shift = 0x1.8p52; /* adding it leaves a whole number in the lowest bits */
  x = larger(x, both(-708));
  pair shifted = x * both(0x1.71547652b82fep0) + both(shift), turns = shifted - both(shift);
  pair rest = x - turns * both(0x1.62e42feep-1) - turns * both(0x1.a39ef35793c76p-33); /* ln 2 in two parts */
  pair value = both(1);
  for (int k = 13; k > 0; k--) value = both(1) + rest * value * both(1.0 / k); /* Taylor; |rest| <= ln 2 / 2 */
  truths power = ((truths)shifted + (truths){1023, 1023}) << (truths){52, 52};
  return value * (pair)power;
}

/* The natural logarithm of a normal number above 0, to about one unit in the last place. */
static inline double logarithm(double x) {
  union { double number; long long bits; } split = {x};
  int power = (int)(split.bits >> 52) - 1023;
  split.bits = (split.bits & 0xfffffffffffffLL) | 0x3ff0000000000000LL;
  double m = split.number;
  if (m > 0x1.6a09e667f3bcdp0) m *= 0.5, power += 1; /* between 1/sqrt(2) and sqrt(2) */
  double s = (m - 1) / (m + 1), square = s * s, series = 0;
  for (int k = 23; k > 1; k -= 2) series = (series + 1.0 / k) * square; /* log m = 2 artanh s */
  return power * 0x1.62e42feep-1 + (2 * s + (2 * s * series + power * 0x1.a39ef35793c76p-33));
}

/* 1 - erf(x) for x >= 0: a series of positive terms, and from 2 on a continued fraction. */
static double complement_of_erf(double x) {
  double bell = exponential(both(-x * x))[0] * 0x1.20dd750429b6dp0; /* 2/sqrt(pi) */
  if (x < 2) {
    double term = x, total = x;
    for (int n = 1; n < 60; n++) term *= 2 * x * x / (2 * n + 1), total += term;
    return 1 - bell * total;
  }
  double fraction = x;
  for (int n = 120; n > 0; n--) fraction = x + n * 0.5 / fraction;
  return bell / (2 * fraction);
}

/* The x with erf(x) = u, for -1 < u < 1: a rough guess, and Newton's steps with their second order. */
static double inverse_of_erf(double u) {
  double size = u < 0 ? -u : u, rest = 1 - size, tail = logarithm(rest * (1 + size)), mid = 4.33 + tail / 2;
  double square = __builtin_sqrt(mid * mid - tail / 0.147) - mid, x = square > 0 ? __builtin_sqrt(square) : 0;
  for (int k = 0; k < 4; k++) {
    double slope = exponential(both(-x * x))[0] * 0x1.20dd750429b6dp0;
    double step = (complement_of_erf(x) - rest) / slope;
    x += step / (1 + x * step);
  }
  return u < 0 ? -x : x;
}
