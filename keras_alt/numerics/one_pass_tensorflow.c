/* The functions of one_pass.c as operators of TensorFlow, by its C interface.

   KerasAltQuantize          x, bias, exponent, log2_thresholds -> y
   KerasAltQuantizeGradient  the same and upstream -> dx, dbias, dlog2_thresholds

   `log2_thresholds` are of the quantizer and, if there is one, of the accumulator. An empty `bias`
   or `exponent` stands for none. With thresholds for channels, `inner` values that follow each
   other share one. `rules` has the fields of `Rules` of each quantizer, one behind the other.

   A process can register operators of these names once. */
#define POOL
#include "one_pass.c"
#include "one_pass_pool.c"

#include <stdint.h>

/* TensorFlow's headers use these names as C++ allows it. */
typedef struct TF_DimensionHandle TF_DimensionHandle;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
#include <tensorflow/c/kernels.h>
#include <tensorflow/c/ops.h>
#include <tensorflow/c/tf_status.h>
#include <tensorflow/c/tf_tensor.h>

enum { X, BIAS, EXPONENT, THRESHOLDS, MOST = 2, FIELDS = 7, RANK = 32 };

typedef struct {
    Rules rules[MOST];
    int32_t count, inner, threads;
} Kernel;

static void refuse(TF_Status *status, const char *reason)
{
    if (TF_GetCode(status) == TF_OK) TF_SetStatus(status, TF_INVALID_ARGUMENT, reason);
}

static void *create(TF_OpKernelConstruction *construction)
{
    Kernel k = {.count = 0}, *kernel = malloc(sizeof(Kernel));
    TF_Status *status = TF_NewStatus();
    float fields[MOST * FIELDS] = {0};
    int32_t size = 0, unused;
    struct { const char *name; int32_t *to; } numbers[] = {
        {"count", &k.count}, {"inner", &k.inner}, {"threads", &k.threads}};
    for (int i = 0; i < 3 && TF_GetCode(status) == TF_OK; i++)
        TF_OpKernelConstruction_GetAttrInt32(construction, numbers[i].name, numbers[i].to, status);
    if (TF_GetCode(status) == TF_OK)
        TF_OpKernelConstruction_GetAttrSize(construction, "rules", &size, &unused, status);
    if (TF_GetCode(status) == TF_OK)
        TF_OpKernelConstruction_GetAttrFloatList(construction, "rules", fields, MOST * FIELDS,
                                                 status);
    if (k.count < 1 || k.count > MOST || size != k.count * FIELDS)
        refuse(status, "there must be one or two thresholds, and seven fields of rules for each");
    for (int i = 0; i < MOST; i++) {
        const float *f = fields + i * FIELDS;
        k.rules[i] = (Rules){(int)f[0], (int)f[1], f[2], f[3], f[4], f[5], f[6]};
    }
    if (kernel) *kernel = k;
    else TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory for a kernel");
    if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
    TF_DeleteStatus(status);
    return kernel;
}

static void delete(void *kernel) { free(kernel); }

/* A tensor of the context. After a failure it is empty, and `status` tells why. */
typedef struct {
    TF_Tensor *tensor;
    float *at;                    /* NULL if it has no elements */
    ptrdiff_t n;
} Array;

static Array array_of(TF_Tensor *tensor)
{
    Array array = {tensor, NULL, tensor ? TF_TensorElementCount(tensor) : 0};
    if (array.n) array.at = TF_TensorData(tensor);
    return array;
}

static Array input(TF_OpKernelContext *context, int index, TF_Status *status)
{
    TF_Tensor *tensor = NULL;
    if (TF_GetCode(status) == TF_OK) TF_GetInput(context, index, &tensor, status);
    return array_of(tensor);
}

/* Return an output in the shape of `of`: the memory of the input `reused`, if nothing else needs
   it and that is no -1. */
static Array output(TF_OpKernelContext *context, int index, Array of, int reused, TF_Status *status)
{
    int64_t sizes[RANK];
    int rank = of.tensor ? TF_NumDims(of.tensor) : 0, taken;
    if (TF_GetCode(status) != TF_OK) return array_of(NULL);
    if (rank > RANK) {
        refuse(status, "tensors have at most 32 axes here");
        return array_of(NULL);
    }
    for (int axis = 0; axis < rank; axis++) sizes[axis] = TF_Dim(of.tensor, axis);
    return array_of(reused < 0
        ? TF_AllocateOutput(context, index, TF_FLOAT, sizes, rank, of.n * sizeof(float), status)
        : TF_ForwardInputOrAllocateOutput(context, &reused, 1, index, sizes, rank, &taken, status));
}

/* The inputs that both operators have. */
typedef struct {
    Array x, bias, exponent, thresholds[MOST];
} Inputs;

static int divides(ptrdiff_t part, ptrdiff_t n) { return !n || (part > 0 && n % part == 0); }

/* Refuse sizes with which the functions would read what is no part of a tensor. */
static void check(const Kernel *kernel, const Inputs *in, TF_Status *status)
{
    const Array *t = in->thresholds;
    int has_bias = in->bias.n > 0, has_accumulator = kernel->count > 1;
    int fits = t->n > 1
        ? !has_bias && !has_accumulator && divides(t->n * kernel->inner, in->x.n)
        : t->n == 1 && (has_bias ? divides(in->bias.n, in->x.n) : !has_accumulator);
    if (!fits || (has_accumulator && t[1].n != 1))
        refuse(status, "thresholds or a bias have a size that does not fit that of x");
}

static Inputs inputs_of(const Kernel *kernel, TF_OpKernelContext *context, TF_Status *status)
{
    Inputs in = {input(context, X, status), input(context, BIAS, status),
                 input(context, EXPONENT, status), {{NULL, NULL, 0}}};
    for (int i = 0; i < kernel->count; i++)
        in.thresholds[i] = input(context, THRESHOLDS + i, status);
    check(kernel, &in, status);
    return in;
}

static void drop(Array array)
{
    if (array.tensor) TF_DeleteTensor(array.tensor);
}

/* Return how often all channels follow each other, each with its own threshold. */
static ptrdiff_t outer_of(const Kernel *kernel, const Inputs *in)
{
    return in->x.n ? in->x.n / (in->thresholds[0].n * kernel->inner) : 0;
}

static void finish(TF_OpKernelContext *context, const Inputs *in, TF_Status *status)
{
    drop(in->x);
    drop(in->bias);
    drop(in->exponent);
    for (int i = 0; i < MOST; i++) drop(in->thresholds[i]);
    if (TF_GetCode(status) != TF_OK) TF_OpKernelContext_Failure(context, status);
    TF_DeleteStatus(status);
}

static void require_memory(int failed, TF_Status *status)
{
    if (failed) TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory for the sums of gradients");
}

static void quantize(void *of, TF_OpKernelContext *context)
{
    const Kernel *k = of;
    TF_Status *status = TF_NewStatus();
    Inputs in = inputs_of(k, context, status);
    const Array *t = in.thresholds;
    Array y = output(context, 0, in.x, -1, status);
    if (TF_GetCode(status) == TF_OK && in.x.n) {
        if (t->n > 1)
            keras_alt_forward_channels(in.x.at, y.at, outer_of(k, &in), t->n, k->inner, k->rules,
                                       t->at, in.exponent.at);
        else
            require_memory(
                keras_alt_forward(in.x.at, y.at, in.x.n, in.bias.at, in.bias.n, k->rules, t->at,
                                  in.exponent.at, k->count > 1 ? k->rules + 1 : NULL, t[1].at,
                                  k->threads), status);
    }
    drop(y);
    finish(context, &in, status);
}

static void gradient_of(void *of, TF_OpKernelContext *context)
{
    const Kernel *k = of;
    TF_Status *status = TF_NewStatus();
    Inputs in = inputs_of(k, context, status);
    const Array *t = in.thresholds;
    Array dt[MOST] = {{NULL, NULL, 0}};
    /* Whoever holds a tensor needs it, so that memory is taken over before it is read. */
    Array dx = output(context, 0, in.x, THRESHOLDS + k->count, status);
    Array upstream = input(context, THRESHOLDS + k->count, status);
    Array dbias = output(context, 1, in.bias, -1, status);
    for (int i = 0; i < k->count; i++) dt[i] = output(context, 2 + i, t[i], -1, status);
    if (upstream.n != in.x.n) refuse(status, "the upstream gradient has not the size of x");
    if (TF_GetCode(status) == TF_OK) {
        if (t->n > 1)
            keras_alt_backward_channels(in.x.at, upstream.at, dx.at, outer_of(k, &in), t->n,
                                        k->inner, k->rules, t->at, in.exponent.at, dt->at);
        else
            require_memory(
                keras_alt_backward(in.x.at, upstream.at, dx.at, in.x.n, in.bias.at, dbias.at,
                                   in.bias.n, k->rules, t->at, in.exponent.at, dt->at,
                                   k->count > 1 ? k->rules + 1 : NULL, t[1].at, dt[1].at,
                                   k->threads), status);
    }
    drop(upstream);
    drop(dx);
    drop(dbias);
    for (int i = 0; i < MOST; i++) drop(dt[i]);
    finish(context, &in, status);
}

static void unknown_shapes(TF_ShapeInferenceContext *context, TF_Status *status)
{
    TF_ShapeInferenceContextSetUnknownShape(context, status);
}

static void add(const char *name, const char *input, const char *const *outputs,
                void (*compute)(void *, TF_OpKernelContext *))
{
    TF_Status *status = TF_NewStatus();
    TF_OpDefinitionBuilder *op = TF_NewOpDefinitionBuilder(name);
    const char *attributes[] = {"count: int >= 1", "inner: int", "threads: int",
                                "rules: list(float)"};
    const char *inputs[] = {"x: float", "bias: float", "exponent: float",
                            "log2_thresholds: count * float"};
    for (int i = 0; i < 4; i++) TF_OpDefinitionBuilderAddAttr(op, attributes[i]);
    for (int i = 0; i < 4; i++) TF_OpDefinitionBuilderAddInput(op, inputs[i]);
    if (input) TF_OpDefinitionBuilderAddInput(op, input);
    for (; *outputs; outputs++) TF_OpDefinitionBuilderAddOutput(op, *outputs);
    TF_OpDefinitionBuilderSetShapeInferenceFunction(op, unknown_shapes);
    TF_RegisterOpDefinition(op, status);
    TF_KernelBuilder *kernel = TF_NewKernelBuilder(name, "CPU", create, compute, delete);
    if (TF_GetCode(status) == TF_OK) TF_RegisterKernelBuilder(name, kernel, status);
    TF_DeleteStatus(status); /* Python calls an operator, which tells whether all went well. */
}

__attribute__((constructor)) static void add_operators(void)
{
    const char *y[] = {"y: float", NULL};
    const char *gradients[] = {"dx: float", "dbias: float", "dlog2_thresholds: count * float",
                               NULL};
    add("KerasAltQuantize", NULL, y, quantize);
    add("KerasAltQuantizeGradient", "upstream: float", gradients, gradient_of);
}
