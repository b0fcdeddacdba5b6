/* The operators of one_pass_operators.c by TensorFlow's C interface: `KerasAltQuantize` and
   `KerasAltQuantizeGradient`. A process can register operators of these names once. */
#include "one_pass_operators.c"

/* TensorFlow's headers use these names as C++ allows it. */
typedef struct TF_DimensionHandle TF_DimensionHandle;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
#include <tensorflow/c/kernels.h>
#include <tensorflow/c/ops.h>
#include <tensorflow/c/tf_status.h>
#include <tensorflow/c/tf_tensor.h>

enum { RANK = 32 };

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
        refuse(status, WRONG_RULES);
    for (int i = 0; i < MOST; i++) k.rules[i] = rules_of(fields + i * FIELDS);
    if (kernel) *kernel = k;
    else TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory for a kernel");
    if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
    TF_DeleteStatus(status);
    return kernel;
}

static void delete(void *kernel) { free(kernel); }

/* Return the array of a tensor. After a failure it is empty, and a status tells why. */
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

static Inputs inputs_of(const Kernel *kernel, TF_OpKernelContext *context, TF_Status *status)
{
    Inputs in = {input(context, X, status), input(context, BIAS, status),
                 input(context, EXPONENT, status), {{NULL, NULL, 0}}};
    for (int i = 0; i < kernel->count; i++)
        in.thresholds[i] = input(context, THRESHOLDS + i, status);
    const char *reason = misfit(kernel, &in);
    if (reason) refuse(status, reason);
    return in;
}

static void drop(Array array)
{
    if (array.tensor) TF_DeleteTensor(array.tensor);
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
    if (failed) TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, NO_MEMORY);
}

static void compute(void *kernel, TF_OpKernelContext *context)
{
    TF_Status *status = TF_NewStatus();
    Inputs in = inputs_of(kernel, context, status);
    Array y = output(context, 0, in.x, -1, status);
    if (TF_GetCode(status) == TF_OK) require_memory(quantize(kernel, &in, y), status);
    drop(y);
    finish(context, &in, status);
}

static void compute_gradient(void *of, TF_OpKernelContext *context)
{
    const Kernel *kernel = of;
    TF_Status *status = TF_NewStatus();
    Inputs in = inputs_of(kernel, context, status);
    Array dt[MOST] = {{NULL, NULL, 0}};
    /* Whoever holds a tensor needs it, so that memory is taken over before it is read. */
    Array dx = output(context, 0, in.x, THRESHOLDS + kernel->count, status);
    Array upstream = input(context, THRESHOLDS + kernel->count, status);
    Array dbias = output(context, 1, in.bias, -1, status);
    for (int i = 0; i < kernel->count; i++)
        dt[i] = output(context, 2 + i, in.thresholds[i], -1, status);
    if (upstream.n != in.x.n) refuse(status, WRONG_UPSTREAM);
    if (TF_GetCode(status) == TF_OK)
        require_memory(quantize_gradient(kernel, &in, upstream, dx, dbias, dt), status);
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
                void (*computes)(void *, TF_OpKernelContext *))
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
    TF_KernelBuilder *kernel = TF_NewKernelBuilder(name, "CPU", create, computes, delete);
    if (TF_GetCode(status) == TF_OK) TF_RegisterKernelBuilder(name, kernel, status);
    TF_DeleteStatus(status); /* Python calls an operator, which tells whether all went well. */
}

__attribute__((constructor)) static void add_operators(void)
{
    const char *y[] = {"y: float", NULL};
    const char *gradients[] = {"dx: float", "dbias: float", "dlog2_thresholds: count * float",
                               NULL};
    add("KerasAltQuantize", NULL, y, compute);
    add("KerasAltQuantizeGradient", "upstream: float", gradients, compute_gradient);
}
