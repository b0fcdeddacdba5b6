/* What the operators of TensorFlow and of JAX have in common: their inputs, and which function of
   one_pass.c computes them.

   quantize            x, bias, exponent, log2_thresholds -> y
   quantize_gradient   the same and upstream -> dx, dbias, dlog2_thresholds

   `log2_thresholds` are of the quantizer and, if there is one, of the accumulator. An empty `bias`
   or `exponent` stands for none. With thresholds for channels, `inner` values that follow each
   other share one. `rules` has the fields of `Rules` of each quantizer, one behind the other. */
#define POOL
#include "one_pass.c"
#include "one_pass_pool.c"

#include <stdint.h>

enum { X, BIAS, EXPONENT, THRESHOLDS, MOST = 2, FIELDS = 7 };

static const char *const WRONG_RULES =
    "there must be one or two thresholds, and seven fields of rules for each";
static const char *const WRONG_UPSTREAM = "the upstream gradient has not the size of x";
static const char *const NO_MEMORY = "no memory for the sums of gradients";

typedef struct {
    Rules rules[MOST];
    int32_t count, inner, threads;
} Kernel;

static Rules rules_of(const float *f)
{
    return (Rules){(int)f[0], (int)f[1], f[2], f[3], f[4], f[5], f[6]};
}

typedef struct {
    void *tensor;                 /* what holds the memory, if somebody has to let it go */
    float *at;                    /* NULL if it has no elements */
    ptrdiff_t n;
} Array;

/* The inputs that both operators have. */
typedef struct {
    Array x, bias, exponent, thresholds[MOST];
} Inputs;

static int divides(ptrdiff_t part, ptrdiff_t n) { return !n || (part > 0 && n % part == 0); }

/* Return why the functions would read what is no part of a tensor, NULL if they do not. */
static const char *misfit(const Kernel *kernel, const Inputs *in)
{
    const Array *t = in->thresholds;
    int has_bias = in->bias.n > 0, has_accumulator = kernel->count > 1;
    int fits = t->n > 1
        ? !has_bias && !has_accumulator && divides(t->n * kernel->inner, in->x.n)
        : t->n == 1 && (has_bias ? divides(in->bias.n, in->x.n) : !has_accumulator);
    return fits && (!has_accumulator || t[1].n == 1)
        ? NULL : "thresholds or a bias have a size that does not fit that of x";
}

/* Return how often all channels follow each other, each with its own threshold. */
static ptrdiff_t outer_of(const Kernel *kernel, const Inputs *in)
{
    return in->x.n ? in->x.n / (in->thresholds[0].n * kernel->inner) : 0;
}

/* Write `y`. Return 1 if there is no memory, else 0. */
static int quantize(const Kernel *k, const Inputs *in, Array y)
{
    const Array *t = in->thresholds;
    if (!in->x.n) return 0;
    if (t->n == 1)
        return keras_alt_forward(in->x.at, y.at, in->x.n, in->bias.at, in->bias.n, k->rules, t->at,
                                 in->exponent.at, k->count > 1 ? k->rules + 1 : NULL, t[1].at,
                                 k->threads);
    keras_alt_forward_channels(in->x.at, y.at, outer_of(k, in), t->n, k->inner, k->rules, t->at,
                               in->exponent.at);
    return 0;
}

/* Write the gradients, `dx` perhaps over `upstream`. Return 1 if there is no memory, else 0. */
static int quantize_gradient(const Kernel *k, const Inputs *in, Array upstream, Array dx,
                             Array dbias, const Array *dt)
{
    const Array *t = in->thresholds;
    if (t->n == 1)
        return keras_alt_backward(in->x.at, upstream.at, dx.at, in->x.n, in->bias.at, dbias.at,
                                  in->bias.n, k->rules, t->at, in->exponent.at, dt->at,
                                  k->count > 1 ? k->rules + 1 : NULL, t[1].at, dt[1].at,
                                  k->threads);
    keras_alt_backward_channels(in->x.at, upstream.at, dx.at, outer_of(k, in), t->n, k->inner,
                                k->rules, t->at, in->exponent.at, dt->at);
    return 0;
}
