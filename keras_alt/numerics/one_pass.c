/* The quantizer on CPUs in one pass over memory each way.

   Every result is the one of closed_form.py to the last bit; only the gradients of thresholds and
   biases are added up in another order. That order does not depend on the number of threads. It is
   compiled without contraction to fused multiply-adds and without the shortcuts of fast math.

   Whoever includes this file defines POOL to bring a `for_each_block` of its own. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { HALF_EVEN, HALF_UP, HALF_AWAY, FLOOR, HALF_AWAY_STORED, DOUBLE };
enum { TILE = 1024, TILES_OF_A_BLOCK = 32 };

#define LN2 0.693147180559945309417f
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int rounding, shift;      /* the step of the grid is 2**(ceil(log2_threshold) - shift) */
    float qmin, qmax;         /* codes */
    float low, high;          /* of the values in front, infinite without an activation */
    float zero_point;         /* of stored codes */
} Rules;

typedef struct {
    float qmin, qmax, low, high, zero_point, scale, reciprocal, step;
    float one;                /* NaN if the scale is infinite: the threshold is not set */
} Grid;

INLINE float power_of_two(float exponent)
{
    if (exponent != floorf(exponent)) return powf(2.0f, exponent); /* NaN too */
    if (fabsf(exponent) > 1000.0f) return exponent > 0.0f ? INFINITY : 0.0f;
    return ldexpf(1.0f, (int)exponent);
}

static Grid grid_of(const Rules *rules, float log2_threshold, const float *exponent)
{
    Grid grid = {rules->qmin, rules->qmax, rules->low, rules->high, rules->zero_point, 0, 0, 0, 0};
    grid.scale = power_of_two(ceilf(log2_threshold) - (float)rules->shift);
    grid.reciprocal = 1.0f / grid.scale;
    grid.one = isfinite(grid.scale) ? 1.0f : NAN;
    if (exponent) grid.step = power_of_two(*exponent) * grid.reciprocal;
    return grid;
}

typedef void (*Body)(void *work, ptrdiff_t block);

#ifdef POOL
static void for_each_block(Body body, void *work, ptrdiff_t blocks, int threads);
#else
static void for_each_block(Body body, void *work, ptrdiff_t blocks, int threads)
{
    (void)threads; /* which compilers without OpenMP do not read */
#pragma omp parallel for num_threads(threads) if (blocks > 1 && threads > 1)
    for (ptrdiff_t b = 0; b < blocks; b++) body(work, b);
}
#endif

/* NaN stays NaN in comparisons of this form. */
INLINE float clipped(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

INLINE float half_away(float z)
{
    float sign = (float)((z > 0.0f) - (z < 0.0f));
    return sign * floorf(0.5f * floorf(2.0f * fabsf(z)) + 0.5f);
}

INLINE float rounded(float z, const Grid *g, int rounding)
{
    float twice = 2.0f * g->step > 1.0f ? 1.0f : 2.0f * g->step;
    switch (rounding) {
    case HALF_EVEN: return rintf(z);
    case HALF_UP: return floorf(z + 0.5f);
    case HALF_AWAY: return half_away(z);
    case FLOOR: return floorf(z);
    case HALF_AWAY_STORED: return half_away(z + g->zero_point) - g->zero_point;
    default: return half_away(twice * floorf(z / twice + 0.5f));
    }
}

INLINE float quantized(float x, const Grid *g, int rounding)
{
    float z = clipped(x, g->low, g->high) * g->reciprocal;
    return clipped(rounded(z, g, rounding), g->qmin, g->qmax) * g->scale;
}

/* Return the gradient of `x`, and in `share` its part of the threshold's. */
INLINE float gradient(float x, float upstream, const Grid *g, int rounding, float *share)
{
    float z = clipped(x, g->low, g->high) * g->reciprocal;
    float r = rounded(z, g, rounding);
    float code = clipped(r, g->qmin, g->qmax);
    float distance = fabsf(r - code);
    float inside = g->one - (distance > 1.0f ? 1.0f : distance);
    *share = upstream * (code - inside * z);
    return upstream * (inside * (float)((x > g->low) & (x < g->high)));
}

INLINE void forward_tile(const float *restrict x, float *restrict y, ptrdiff_t n,
                         const float *restrict bias, Grid g, const Grid *accumulator, int rounding)
{
    if (accumulator) {
        Grid a = *accumulator;
        for (ptrdiff_t j = 0; j < n; j++)
            y[j] = quantized(quantized(x[j], &a, HALF_EVEN) + bias[j], &g, rounding);
    } else if (bias) {
        for (ptrdiff_t j = 0; j < n; j++) y[j] = quantized(x[j] + bias[j], &g, rounding);
    } else {
        for (ptrdiff_t j = 0; j < n; j++) y[j] = quantized(x[j], &g, rounding);
    }
}

/* `dx` may be `upstream`. */
INLINE void backward_tile(const float *restrict x, const float *upstream, float *dx, ptrdiff_t n,
                          const float *restrict bias,
                          float *restrict dbias, Grid g, const Grid *accumulator, int rounding,
                          double sums[2])
{
    float sum = 0.0f, accumulator_sum = 0.0f;
    if (accumulator) {
        Grid a = *accumulator;
#pragma omp simd reduction(+ : sum, accumulator_sum)
        for (ptrdiff_t j = 0; j < n; j++) {
            float share, accumulator_share;
            float total = quantized(x[j], &a, HALF_EVEN) + bias[j];
            float dsum = gradient(total, upstream[j], &g, rounding, &share);
            dbias[j] += dsum;
            dx[j] = gradient(x[j], dsum, &a, HALF_EVEN, &accumulator_share);
            sum += share;
            accumulator_sum += accumulator_share;
        }
    } else if (bias) {
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t j = 0; j < n; j++) {
            float share;
            float dsum = gradient(x[j] + bias[j], upstream[j], &g, rounding, &share);
            dbias[j] += dsum;
            dx[j] = dsum;
            sum += share;
        }
    } else {
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t j = 0; j < n; j++) {
            float share;
            dx[j] = gradient(x[j], upstream[j], &g, rounding, &share);
            sum += share;
        }
    }
    sums[0] += sum;
    sums[1] += accumulator_sum;
}

/* Call CASE(rounding) with a constant, so that each loop is compiled for its rule. */
#define FOR_THE_ROUNDING(rounding, CASE) \
    switch (rounding) { \
    case HALF_EVEN: CASE(HALF_EVEN); break; \
    case HALF_UP: CASE(HALF_UP); break; \
    case HALF_AWAY: CASE(HALF_AWAY); break; \
    case FLOOR: CASE(FLOOR); break; \
    case HALF_AWAY_STORED: CASE(HALF_AWAY_STORED); break; \
    default: CASE(DOUBLE); \
    }

static void forward_range(const float *x, float *y, ptrdiff_t n, const float *bias, ptrdiff_t tile, Grid g,
                          const Grid *accumulator, int rounding)
{
#define CASE(ROUNDING) \
    for (ptrdiff_t i = 0; i < n; i += tile) \
        forward_tile(x + i, y + i, i + tile < n ? tile : n - i, bias, g, accumulator, ROUNDING)
    FOR_THE_ROUNDING(rounding, CASE)
#undef CASE
}

static void backward_range(const float *x, const float *upstream, float *dx, ptrdiff_t n,
                           const float *bias, float *dbias, ptrdiff_t tile, Grid g,
                           const Grid *accumulator, int rounding, double sums[2])
{
#define CASE(ROUNDING) \
    for (ptrdiff_t i = 0; i < n; i += tile) \
        backward_tile(x + i, upstream + i, dx + i, i + tile < n ? tile : n - i, bias, dbias, g, \
                      accumulator, ROUNDING, sums)
    FOR_THE_ROUNDING(rounding, CASE)
#undef CASE
}

/* Return how long a tile is: whole rows of channels, long enough for loops over it to be fast. */
static ptrdiff_t tile_of(ptrdiff_t channels)
{
    return channels * ((TILE + channels - 1) / channels);
}

static void repeated(const float *bias, ptrdiff_t channels, ptrdiff_t tile, float *out)
{
    for (ptrdiff_t i = 0; i < tile; i += channels) memcpy(out + i, bias, channels * sizeof(float));
}

/* What all blocks of a tensor share. Without a bias, `bias` is NULL. */
typedef struct {
    const float *x, *upstream;
    float *out;                   /* forward y, backward dx */
    const float *bias;            /* repeated over a tile */
    float *bias_shares;           /* of each block, over a tile */
    double *sums;                 /* of each block, two */
    ptrdiff_t n, tile;
    Grid grid, accumulator;
    const Grid *front;            /* the accumulator, or NULL */
    int rounding;
} Work;

static Work work_of(const float *x, ptrdiff_t n, int has_bias, ptrdiff_t channels,
                    const Rules *rules, const float *threshold, const float *exponent,
                    const Rules *accumulator, const float *accumulator_threshold)
{
    Work work = {.x = x, .n = n, .tile = tile_of(has_bias ? channels : 1)};
    work.grid = grid_of(rules, *threshold, exponent);
    work.rounding = rules->rounding;
    if (accumulator) work.accumulator = grid_of(accumulator, *accumulator_threshold, NULL);
    return work;
}

static ptrdiff_t blocks_of(const Work *work)
{
    ptrdiff_t block = work->tile * TILES_OF_A_BLOCK;
    return (work->n + block - 1) / block;
}

static ptrdiff_t size_of(const Work *work, ptrdiff_t begin)
{
    ptrdiff_t block = work->tile * TILES_OF_A_BLOCK;
    return begin + block < work->n ? block : work->n - begin;
}

static void forward_block(void *of, ptrdiff_t b)
{
    const Work *work = of;
    ptrdiff_t i = b * work->tile * TILES_OF_A_BLOCK;
    forward_range(work->x + i, work->out + i, size_of(work, i), work->bias, work->tile, work->grid,
                  work->front, work->rounding);
}

static void backward_block(void *of, ptrdiff_t b)
{
    const Work *work = of;
    ptrdiff_t i = b * work->tile * TILES_OF_A_BLOCK;
    float *shares = work->bias ? work->bias_shares + b * work->tile : NULL;
    if (shares) memset(shares, 0, work->tile * sizeof(float));
    backward_range(work->x + i, work->upstream + i, work->out + i, size_of(work, i), work->bias,
                   shares, work->tile, work->grid, work->front, work->rounding,
                   work->sums + 2 * b);
}

/* Quantize `n` values, or their sums with a bias for each of the last axis' channels.

   `bias` and `accumulator` may be NULL; with an accumulator there is a bias. Pointers to
   thresholds, and to the exponent of the values' grid, are to one number each. All functions return
   0, or 1 if there is no memory. */
int keras_alt_forward(const float *x, float *y, ptrdiff_t n, const float *bias, ptrdiff_t channels,
                      const Rules *rules, const float *threshold, const float *exponent,
                      const Rules *accumulator, const float *accumulator_threshold, int threads)
{
    Work work = work_of(x, n, bias != NULL, channels, rules, threshold, exponent, accumulator,
                        accumulator_threshold);
    float *tiled = bias ? malloc(work.tile * sizeof(float)) : NULL;
    if (bias && !tiled) return 1;
    if (bias) repeated(bias, channels, work.tile, tiled);
    work.bias = tiled;
    work.out = y;
    work.front = accumulator ? &work.accumulator : NULL;
    for_each_block(forward_block, &work, blocks_of(&work), threads);
    free(tiled);
    return 0;
}

/* Add up what the blocks found, one behind the other. */
static void add_up(const Work *work, float *dbias, ptrdiff_t channels, float *dthreshold,
                   float *daccumulator_threshold, double *of_tile)
{
    double sum = 0.0, accumulator_sum = 0.0;
    ptrdiff_t blocks = blocks_of(work), columns = work->bias ? work->tile : 0;
    for (ptrdiff_t b = 0; b < blocks; b++) {
        sum += work->sums[2 * b];
        accumulator_sum += work->sums[2 * b + 1];
        for (ptrdiff_t j = 0; j < columns; j++) of_tile[j] += work->bias_shares[b * columns + j];
    }
    *dthreshold = (float)sum * (work->grid.scale * LN2);
    if (work->front)
        *daccumulator_threshold = (float)accumulator_sum * (work->accumulator.scale * LN2);
    for (ptrdiff_t c = 0; work->bias && c < channels; c++) {
        double of_channel = 0.0;
        for (ptrdiff_t j = c; j < columns; j += channels) of_channel += of_tile[j];
        dbias[c] = (float)of_channel;
    }
}

/* Write the gradients of `x`, of the thresholds and, if there is one, of the bias.

   `dx` may be `upstream`. */
int keras_alt_backward(const float *x, const float *upstream, float *dx, ptrdiff_t n,
                       const float *bias, float *dbias, ptrdiff_t channels, const Rules *rules,
                       const float *threshold, const float *exponent, float *dthreshold,
                       const Rules *accumulator, const float *accumulator_threshold,
                       float *daccumulator_threshold, int threads)
{
    Work work = work_of(x, n, bias != NULL, channels, rules, threshold, exponent, accumulator,
                        accumulator_threshold);
    ptrdiff_t blocks = blocks_of(&work), columns = bias ? work.tile : 0;
    double *sums = calloc(2 * blocks + columns + 1, sizeof(double));
    float *tiles = malloc(((blocks + 1) * columns + 1) * sizeof(float)); /* shares, then the bias */
    int failed = !sums || !tiles;
    if (!failed) {
        float *tiled = tiles + blocks * columns;
        if (bias) repeated(bias, channels, work.tile, tiled);
        work.bias = bias ? tiled : NULL;
        work.upstream = upstream;
        work.out = dx;
        work.bias_shares = tiles;
        work.sums = sums;
        work.front = accumulator ? &work.accumulator : NULL;
        for_each_block(backward_block, &work, blocks, threads);
        add_up(&work, dbias, channels, dthreshold, daccumulator_threshold, sums + 2 * blocks);
    }
    free(sums);
    free(tiles);
    return failed;
}

/* The same for `outer` times `channels` times `inner` values, with a threshold for each channel.
   These are kernels, which are small: one thread. */
void keras_alt_forward_channels(const float *x, float *y, ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner,
                                const Rules *rules, const float *thresholds, const float *exponent)
{
    for (ptrdiff_t c = 0; c < channels; c++) {
        Grid g = grid_of(rules, thresholds[c], exponent);
        for (ptrdiff_t o = 0; o < outer; o++) {
            ptrdiff_t i = (o * channels + c) * inner;
            forward_range(x + i, y + i, inner, NULL, inner, g, NULL, rules->rounding);
        }
    }
}

void keras_alt_backward_channels(const float *x, const float *upstream, float *dx, ptrdiff_t outer,
                                 ptrdiff_t channels, ptrdiff_t inner, const Rules *rules,
                                 const float *thresholds, const float *exponent,
                                 float *dthresholds)
{
    for (ptrdiff_t c = 0; c < channels; c++) {
        Grid g = grid_of(rules, thresholds[c], exponent);
        double sums[2] = {0.0, 0.0};
        for (ptrdiff_t o = 0; o < outer; o++) {
            ptrdiff_t i = (o * channels + c) * inner;
            backward_range(x + i, upstream + i, dx + i, inner, NULL, NULL, inner, g, NULL,
                           rules->rounding, sums);
        }
        dthresholds[c] = (float)sums[0] * (g.scale * LN2);
    }
}
