/* The largest eigenvalue of the Hessian of F(W_t; Γ(t)): Lanczos on products with the Hessian, written out as the
   derivative of the gradient along a direction. The last one's eigenvector is where the next begins, so that a few
   products a frame are enough. */
#pragma once

static pair moves[WIDEST][PAIRS]; /* of the units, along the direction */

/* Along `v`: the derivatives of a block's errors from those of its logits, dδ = Γ/P p (dz - Σ p dz). */
static void turn_errors(int class, pair along[CLASSES][PAIRS]) {
  pair scale = both(gammas[class] / POINTS), back = both(POINTS / gammas[class]);
  for (int q = 0; q < PAIRS; q++) {
    pair p[CLASSES], mean = both(0);
    for (int k = 0; k < CLASSES; k++) {
      p[k] = (k == class ? errors[k][q] + scale : errors[k][q]) * back;
      mean += p[k] * along[k][q];
    }
    for (int k = 0; k < CLASSES; k++) along[k][q] = scale * p[k] * (along[k][q] - mean);
  }
}

static void forward_along(const double *v, int first, pair along[CLASSES][PAIRS]) {
  for (int k = 0; k < CLASSES; k++)
    for (int q = 0; q < PAIRS; q++) along[k][q] = both(v[UNIT * width + k]);
  for (int j = 0; j < width; j++) {
    const double *w = weights + UNIT * j, *d = v + UNIT * j;
    for (int q = 0; q < PAIRS; q++) {
      pair u = units[j][q], x = points[0][first + q], y = points[1][first + q];
      pair move = (pair)((u > both(0)) & (truths)(x * both(d[0]) + y * both(d[1]) + both(d[2])));
      moves[j][q] = move;
      for (int k = 0; k < CLASSES; k++) along[k][q] += u * both(d[3 + k]) + move * both(w[3 + k]);
    }
  }
}

static void backward_along(const double *v, int first, pair along[CLASSES][PAIRS]) {
  for (int j = 0; j < width; j++) {
    const double *w = weights + UNIT * j, *d = v + UNIT * j;
    pair g[UNIT];
    for (int k = 0; k < UNIT; k++) g[k] = slopes[j][k];
    for (int q = 0; q < PAIRS; q++) {
      pair u = units[j][q], move = moves[j][q], total = both(0);
      for (int k = 0; k < CLASSES; k++) {
        total += errors[k][q] * both(d[3 + k]) + along[k][q] * both(w[3 + k]);
        g[3 + k] += move * errors[k][q] + u * along[k][q];
      }
      pair back = (pair)((u > both(0)) & (truths)total);
      g[0] += back * points[0][first + q], g[1] += back * points[1][first + q], g[2] += back;
    }
    for (int k = 0; k < UNIT; k++) slopes[j][k] = g[k];
  }
  for (int k = 0; k < CLASSES; k++)
    for (int q = 0; q < PAIRS; q++) last_slopes[k] += along[k][q];
}

/* into = H v */
static void multiply(const double *v, double *into) {
  static pair along[CLASSES][PAIRS];
  clear_slopes();
  for (int b = 0; b < BLOCKS; b++) {
    int class = b / (BLOCKS / CLASSES), first = b * PAIRS;
    tally unused = {both(1), both(0), both(0)};
    forward(first);
    compare(class, &unused);
    forward_along(v, first, along);
    turn_errors(class, along);
    backward_along(v, first, along);
  }
  collect_slopes(into);
}

/* product = H direction, at the weights and the step that stand. */
EXPORT(multiply) void multiply_here(void) {
  set_gammas(step);
  multiply(direction, product);
}

static double dot(const double *a, const double *b, int size) {
  double total = 0;
  for (int i = 0; i < size; i++) total += a[i] * b[i];
  return total;
}

static void subtract(double *from, double factor, const double *v, int size) {
  for (int i = 0; i < size; i++) from[i] -= factor * v[i];
}

/* Scaled to length 1; returns the length that it had. */
static double normalise(double *v, int size) {
  double length = __builtin_sqrt(dot(v, v, size));
  for (int i = 0; i < size; i++) v[i] /= length;
  return length;
}

/* How many eigenvalues of the tridiagonal matrix are below x (Sturm). */
static int below(const double *diagonal, const double *beside, int order, double x) {
  int count = 0;
  double pivot = 1;
  for (int k = 0; k < order; k++) {
    pivot = diagonal[k] - x - (k ? beside[k - 1] * beside[k - 1] / pivot : 0);
    if (pivot == 0) pivot = -1e-300;
    count += pivot < 0;
  }
  return count;
}

static double residual;
EXPORT(residual) double get_residual(void) { return residual; }

/* The largest eigenvalue of the Hessian by `order` products; `residual` bounds its distance from an eigenvalue. */
EXPORT(curvature) double curvature(int order) {
  int size = UNIT * width + CLASSES, used = 0;
  double diagonal[ORDER], beside[ORDER], reach = 0, spoilt = 0; /* NaN once a number is not finite */
  set_gammas(step);
  for (int i = 0; i < size; i++) basis[0][i] = direction[i];
  normalise(basis[0], size);
  for (int k = 0; k < order && k < ORDER; k++) {
    multiply(basis[k], product);
    diagonal[k] = dot(basis[k], product, size);
    for (int twice = 0; twice < 2; twice++)
      for (int i = 0; i <= k; i++) subtract(product, dot(basis[i], product, size), basis[i], size);
    beside[k] = normalise(product, size);
    used = k + 1;
    double largest = (diagonal[k] < 0 ? -diagonal[k] : diagonal[k]) + 2 * beside[k];
    reach = largest > reach ? largest : reach;
    spoilt += largest - largest;
    if (!(beside[k] > 1e-12 * reach)) break; /* the space is exhausted, or a number is not finite */
    if (k + 1 < ORDER)
      for (int i = 0; i < size; i++) basis[k + 1][i] = product[i];
  }
  double low = -2 * reach, high = 2 * reach;
  for (int n = 0; n < 100; n++) {
    double middle = (low + high) / 2;
    if (below(diagonal, beside, used, middle) == used) high = middle; else low = middle;
  }
  double parts[ORDER] = {1}, square = 1;
  for (int k = 1; k < used; k++) {
    parts[k] = ((high - diagonal[k - 1]) * parts[k - 1] - (k > 1 ? beside[k - 2] * parts[k - 2] : 0)) / beside[k - 1];
    square += parts[k] * parts[k];
  }
  for (int i = 0; i < size; i++) {
    double total = 0;
    for (int k = 0; k < used; k++) total += parts[k] * basis[k][i];
    direction[i] = total;
  }
  double length = dot(direction, direction, size);
  if (!(length > 0 && length - length == 0)) /* start afresh next time */
    for (int i = 0; i < size; i++) direction[i] = start_of_direction(i);
  residual = beside[used - 1] * (parts[used - 1] < 0 ? -parts[used - 1] : parts[used - 1]) / __builtin_sqrt(square);
  return high + spoilt;
}
