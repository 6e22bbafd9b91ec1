/* The playground's engine: gradient descent on the dynamical loss of eq. (1), for one hidden layer of ReLU units on the
   spiral of Fig. 2, in float64. One step is that of dynloss.training.full_batch: the loss and the accuracy of step t are
   those of W_t under Γ(t), before the update. Every sum has a fixed order, so the bits are the same everywhere.

   Built by `python -m dynloss.playground.build`. A host calls `reset` and `set`, then `run`, and reads the arrays; `evaluate`,
   `curvature` and `draw` tell of the weights as they stand. */
#include "numbers.h"
#include "random.h"
#include "spiral.h"

enum {
  CLASSES = 3,
  EACH = POINTS / CLASSES, /* points of a class; they are sorted by class */
  WIDEST = 1000,
  UNIT = 6,                /* numbers a unit has: two weights and a bias into it, three weights out of it */
  LONGEST = 16384,         /* steps recorded in one call */
  ORDER = 12,              /* the longest Lanczos run */
  PAIRS = 10,              /* pairs of points in a block, all of one class; a block's units stay in the nearest cache */
  BLOCKS = POINTS / 2 / PAIRS,
  SIZE = UNIT * WIDEST + CLASSES,
};
#define EXPORT(name) __attribute__((export_name(#name)))

static int width = 100, shape, step;
static double period = 5000, amplitude = 70, rate = 1;

/* Weights, gradients and directions alike: (W1_0, W1_1, b1, W2_0, W2_1, W2_2) of each unit, then b2. */
static double weights[SIZE], gradient[SIZE], direction[SIZE], product[SIZE], basis[ORDER][SIZE];
static double gammas[CLASSES], losses[LONGEST], accuracies[LONGEST], tilts[LONGEST][CLASSES];
static pair points[2][POINTS / 2];

EXPORT(weights) double *get_weights(void) { return weights; }
EXPORT(gradient) double *get_gradient(void) { return gradient; }
EXPORT(direction) double *get_direction(void) { return direction; }
EXPORT(product) double *get_product(void) { return product; }
EXPORT(gammas) double *get_gammas(void) { return gammas; }
EXPORT(losses) double *get_losses(void) { return losses; }
EXPORT(accuracies) double *get_accuracies(void) { return accuracies; }
EXPORT(tilts) double *get_tilts(void) { return &tilts[0][0]; }
EXPORT(points) const double *get_points(void) { return &spiral[0][0]; }
EXPORT(step) int get_step(void) { return step; }
EXPORT(longest) int get_longest(void) { return LONGEST; }

/* ---- the class weights, eqs. (2)-(5) ---- */

static void set_gammas(int t) {
  double turn = __builtin_floor(t / period), phase = t - turn * period, slope = 2 * (amplitude - 1) / period;
  double wave = phase <= period / 2 ? 1 + slope * phase : 2 * amplitude - 1 - slope * phase;
  int emphasised = (int)(turn - CLASSES * __builtin_floor(turn / CLASSES));
  if (!shape) wave = 1;
  for (int k = 0; k < CLASSES; k++) gammas[k] = (k == emphasised ? wave : 1) * (CLASSES / (wave + (CLASSES - 1)));
}

/* ---- forwards and backwards, a block of points at a time ---- */

static pair units[WIDEST][PAIRS], logits[CLASSES][PAIRS], errors[CLASSES][PAIRS];

static void forward(int first) {
  const double *last = weights + UNIT * width;
  for (int q = 0; q < PAIRS; q += 2) {
    pair x0 = points[0][first + q], x1 = points[0][first + q + 1];
    pair y0 = points[1][first + q], y1 = points[1][first + q + 1];
    pair a0 = both(last[0]), a1 = a0, b0 = both(last[1]), b1 = b0, c0 = both(last[2]), c1 = c0;
    for (int j = 0; j < width; j++) {
      const double *w = weights + UNIT * j;
      pair u0 = larger(x0 * both(w[0]) + y0 * both(w[1]) + both(w[2]), both(0));
      pair u1 = larger(x1 * both(w[0]) + y1 * both(w[1]) + both(w[2]), both(0));
      units[j][q] = u0, units[j][q + 1] = u1;
      a0 += u0 * both(w[3]), b0 += u0 * both(w[4]), c0 += u0 * both(w[5]);
      a1 += u1 * both(w[3]), b1 += u1 * both(w[4]), c1 += u1 * both(w[5]);
    }
    logits[0][q] = a0, logits[1][q] = b0, logits[2][q] = c0;
    logits[0][q + 1] = a1, logits[1][q + 1] = b1, logits[2][q + 1] = c1;
  }
}

/* Of the points of one class: what the logits say of them. */
typedef struct { pair odds, margins, right; } tally;

/* errors = dF/dlogits for a block of this class; the cross-entropy of a point is log(sum of e^(z - peak)) + peak - z_y.
   The sums are multiplied (each is between 1 and 3, a class has 100 points), so one logarithm serves a class. */
static void compare(int class, tally *all) {
  const int others[CLASSES][2] = {{1, 2}, {0, 2}, {0, 1}};
  int before = others[class][0], after = others[class][1];
  pair scale = both(gammas[class] / POINTS);
  for (int q = 0; q < PAIRS; q++) {
    pair own = logits[class][q], peak = larger(larger(logits[0][q], logits[1][q]), logits[2][q]), e[CLASSES];
    for (int k = 0; k < CLASSES; k++) e[k] = exponential(logits[k][q] - peak);
    pair total = e[0] + e[1] + e[2], share = scale / total;
    for (int k = 0; k < CLASSES; k++) errors[k][q] = e[k] * share;
    errors[class][q] -= scale;
    all->odds *= total, all->margins += peak - own;
    /* The first of equal outputs wins, as in the library. */
    truths first = before < class ? logits[before][q] < own : logits[before][q] <= own;
    truths second = after < class ? logits[after][q] < own : logits[after][q] <= own;
    all->right += choose(first & second, both(1), both(0));
  }
}

static pair slopes[WIDEST][UNIT], last_slopes[CLASSES];

static void backward(int first) {
  for (int j = 0; j < width; j++) {
    const double *w = weights + UNIT * j;
    pair g0 = slopes[j][0], g1 = slopes[j][1], g2 = slopes[j][2];
    pair g3 = slopes[j][3], g4 = slopes[j][4], g5 = slopes[j][5];
    for (int q = 0; q < PAIRS; q++) {
      pair u = units[j][q], d0 = errors[0][q], d1 = errors[1][q], d2 = errors[2][q];
      pair back = (pair)((u > both(0)) & (truths)(d0 * both(w[3]) + d1 * both(w[4]) + d2 * both(w[5])));
      g0 += back * points[0][first + q], g1 += back * points[1][first + q], g2 += back;
      g3 += u * d0, g4 += u * d1, g5 += u * d2;
    }
    slopes[j][0] = g0, slopes[j][1] = g1, slopes[j][2] = g2;
    slopes[j][3] = g3, slopes[j][4] = g4, slopes[j][5] = g5;
  }
  for (int k = 0; k < CLASSES; k++)
    for (int q = 0; q < PAIRS; q++) last_slopes[k] += errors[k][q];
}

static void clear_slopes(void) {
  for (int j = 0; j < width; j++)
    for (int k = 0; k < UNIT; k++) slopes[j][k] = both(0);
  for (int k = 0; k < CLASSES; k++) last_slopes[k] = both(0);
}

static void collect_slopes(double *into) {
  for (int j = 0; j < width; j++)
    for (int k = 0; k < UNIT; k++) into[UNIT * j + k] = sum(slopes[j][k]);
  for (int k = 0; k < CLASSES; k++) into[UNIT * width + k] = sum(last_slopes[k]);
}

/* The gradient of F(W_t; Γ(t)) with the loss F, in nats, and the share of the points that are right. */
static double evaluate(double *share) {
  set_gammas(step);
  clear_slopes();
  double loss = 0, right = 0;
  for (int class = 0; class < CLASSES; class++) {
    tally all = {both(1), both(0), both(0)};
    for (int b = 0; b < BLOCKS / CLASSES; b++) {
      int first = (class * (BLOCKS / CLASSES) + b) * PAIRS;
      forward(first);
      compare(class, &all);
      backward(first);
    }
    loss += gammas[class] * (logarithm(all.odds[0]) + logarithm(all.odds[1]) + sum(all.margins));
    right += sum(all.right);
  }
  collect_slopes(gradient);
  *share = right / POINTS;
  return loss / POINTS;
}

static double accuracy;
EXPORT(accuracy) double get_accuracy(void) { return accuracy; }
EXPORT(evaluate) double evaluate_here(void) { return evaluate(&accuracy); }

/* ---- cascades: where the loss bounces, as dynloss.experiments.cascades.by_loss reads it ---- */

static const double BOUNCE = 0.002; /* nats: the distance between two values of the loss from which on it bounces */
static const int LASTING = 4;       /* steps in a row */
static double before, change, bend; /* the last loss, its first and its second difference */
static int row, cascades, started, bounced;

EXPORT(cascades) int get_cascades(void) { return cascades; }
EXPORT(started) int get_started(void) { return started; } /* the first step of the latest cascade */
EXPORT(bounced) int get_bounced(void) { return bounced; } /* the latest step of it */

/* Bouncing between two values a distance d apart, the second difference alternates between 2d and -2d: it jumps by 4d. The
   signs count: where Γ is steep, the loss of a class that begins to count jumps as far, but falls without coming back. */
static void watch(double loss) {
  double new_change = loss - before, new_bend = new_change - change, jump = new_bend - bend;
  row = step >= 3 && bend * new_bend < 0 && (jump >= 4 * BOUNCE || jump <= -4 * BOUNCE) ? row + 1 : 0;
  before = loss, change = new_change, bend = new_bend;
  if (row < LASTING) return;
  int quiet = period >= 10 ? (int)(period / 10) : 1;
  if (row == LASTING && (!cascades || step - (LASTING - 1) - bounced > quiet)) cascades++, started = step - (LASTING - 1);
  bounced = step;
}

/* ---- what the page calls ---- */

EXPORT(set) void set(double new_period, double new_amplitude, double new_rate, int new_shape) {
  period = new_period, amplitude = new_amplitude, rate = new_rate, shape = new_shape;
}

static double start_of_direction(int i) { return 1 + 0.5 * (i % 7); }

EXPORT(reset) void reset(int new_width, unsigned seed) {
  const bits hidden = threefry((bits){0, seed}, (bits){0, 0xb785d8d3}); /* flax's names, folded into the key */
  const bits output = threefry((bits){0, seed}, (bits){0, 0xa3840aa7});
  width = new_width, step = 0, row = 0, cascades = 0, started = 0, bounced = 0;
  for (int p = 0; p < POINTS / 2; p++)
    for (int k = 0; k < 2; k++) points[k][p] = (pair){spiral[2 * p][k], spiral[2 * p + 1][k]};
  double from_inputs = __builtin_sqrt(0.5), from_units = __builtin_sqrt(1.0 / width);
  for (int j = 0; j < width; j++) {
    double *w = weights + UNIT * j;
    for (int k = 0; k < 2; k++) w[k] = normal(hidden, k * width + j) * from_inputs;
    w[2] = 0;
    for (int k = 0; k < CLASSES; k++) w[3 + k] = normal(output, CLASSES * j + k) * from_units;
  }
  for (int k = 0; k < CLASSES; k++) weights[UNIT * width + k] = 0;
  for (int i = 0; i < UNIT * width + CLASSES; i++) direction[i] = start_of_direction(i);
}

/* Up to `most` steps; fewer where the loss is no longer finite, or where a cascade begins if that is asked for. Returns
   how many were taken. A step whose loss is not finite is recorded, but moves nothing. */
EXPORT(run) int run(int most, int until_cascade) {
  int size = UNIT * width + CLASSES, seen = cascades;
  for (int n = 0; n < most && n < LONGEST; n++) {
    losses[n] = evaluate(&accuracies[n]);
    for (int k = 0; k < CLASSES; k++) tilts[n][k] = gammas[k];
    if (!(losses[n] - losses[n] == 0)) return n;
    watch(losses[n]);
    for (int i = 0; i < size; i++) weights[i] -= rate * gradient[i];
    step++;
    if (until_cascade && cascades > seen) return n + 1;
  }
  return most < LONGEST ? most : LONGEST;
}

/* The class probabilities, 0 to 255, at the centres of side × side squares that cover (-reach, reach)², from the top left. */
static unsigned char picture[128 * 128][CLASSES];
EXPORT(picture) unsigned char *get_picture(void) { return &picture[0][0]; }

EXPORT(draw) void draw(int side, double reach) {
  const double *last = weights + UNIT * width;
  for (int row = 0; row < side; row++) {
    pair y = both(reach * (1 - (2 * row + 1.0) / side));
    for (int column = 0; column < side; column += 2) {
      pair x = both(reach) * ((pair){2 * column + 1, 2 * column + 3} / both(side) - both(1));
      pair z[CLASSES] = {both(last[0]), both(last[1]), both(last[2])};
      for (int j = 0; j < width; j++) {
        const double *w = weights + UNIT * j;
        pair u = larger(x * both(w[0]) + y * both(w[1]) + both(w[2]), both(0));
        for (int k = 0; k < CLASSES; k++) z[k] += u * both(w[3 + k]);
      }
      pair peak = larger(larger(z[0], z[1]), z[2]), e[CLASSES];
      for (int k = 0; k < CLASSES; k++) e[k] = exponential(z[k] - peak);
      pair share = both(255) / (e[0] + e[1] + e[2]);
      for (int half = 0; half < 2; half++)
        for (int k = 0; k < CLASSES; k++) {
          double value = (e[k] * share)[half] + 0.5;
          picture[row * side + column + half][k] = value >= 0 && value < 256 ? (unsigned char)value : 0;
        }
    }
  }
}

#include "curvature.h"
