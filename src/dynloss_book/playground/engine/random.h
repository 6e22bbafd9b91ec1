/* The library's initial weights: flax's MLP.init(jax.random.key(seed)), drawn as JAX draws them since its version 0.5. */
#pragma once
#include "numbers.h"

typedef struct { unsigned high, low; } bits;

static inline unsigned rotated(unsigned x, int by) { return x << by | x >> (32 - by); }

/* Threefry-2x32 with 20 rounds, of Salmon et al. (2011). */
static bits threefry(bits key, bits counter) {
  const unsigned keys[3] = {key.high, key.low, 0x1bd11bda ^ key.high ^ key.low};
  const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  unsigned a = counter.high + keys[0], b = counter.low + keys[1];
  for (int group = 0; group < 5; group++) {
    for (int k = 0; k < 4; k++) a += b, b = rotated(b, rotations[group % 2][k]) ^ a;
    a += keys[(group + 1) % 3], b += keys[(group + 2) % 3] + group + 1;
  }
  return (bits){a, b};
}

/* The index-th of an array of normal numbers: jax.random.normal(key, shape, float64). */
static double normal(bits key, unsigned index) {
  bits drawn = threefry(key, (bits){0, index});
  unsigned long long word = (unsigned long long)drawn.high << 32 | drawn.low;
  union { unsigned long long bits; double number; } uniform = {word >> 12 | 0x3ff0000000000000ULL};
  const double low = -0x1.fffffffffffffp-1; /* the number next to -1 */
  double u = (uniform.number - 1) * 2 + low;
  return 0x1.6a09e667f3bcdp0 * inverse_of_erf(u < low ? low : u);
}
