/* The operators of one_pass_operators.c by the C interface of XLA's foreign functions. */
#include "one_pass_operators.c"

#include <xla/ffi/api/c_api.h>

static XLA_FFI_Error *failure(XLA_FFI_CallFrame *frame, XLA_FFI_Error_Code code, const char *reason)
{
    XLA_FFI_Error_Create_Args arguments = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, NULL, reason,
                                           code};
    return frame->api->XLA_FFI_Error_Create(&arguments);
}

static XLA_FFI_Error *refused(XLA_FFI_CallFrame *frame, const char *reason)
{
    return failure(frame, XLA_FFI_Error_Code_INVALID_ARGUMENT, reason);
}

/* Tell which version of the interface this file was compiled for, if XLA asks for that. */
static int tells_version(XLA_FFI_CallFrame *frame)
{
    XLA_FFI_Extension_Base *extension = frame->extension_start;
    if (!extension || extension->type != XLA_FFI_Extension_Metadata) return 0;
    XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
    metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    metadata->traits = 0;
    return 1;
}

/* Return an attribute of a type, NULL if there is none. */
static const void *attribute(const XLA_FFI_Attrs *attributes, const char *name, XLA_FFI_AttrType type)
{
    for (int64_t i = 0; i < attributes->size; i++) {
        const XLA_FFI_ByteSpan *other = attributes->names[i];
        if (attributes->types[i] == type && other->len == strlen(name)
            && !memcmp(other->ptr, name, other->len))
            return attributes->attrs[i];
    }
    return NULL;
}

static int32_t number(const XLA_FFI_Attrs *attributes, const char *name)
{
    const XLA_FFI_Scalar *scalar = attribute(attributes, name, XLA_FFI_AttrType_SCALAR);
    return scalar && scalar->dtype == XLA_FFI_DataType_S32 ? *(int32_t *)scalar->value : 0;
}

/* Return what the attributes say; `count` is 0 if they say nothing sensible. */
static Kernel kernel_of(const XLA_FFI_Attrs *attributes)
{
    Kernel kernel = {.count = 0, .inner = number(attributes, "inner"),
                     .threads = number(attributes, "threads")};
    const XLA_FFI_Array *fields = attribute(attributes, "rules", XLA_FFI_AttrType_ARRAY);
    if (!fields || fields->dtype != XLA_FFI_DataType_F32 || fields->size % FIELDS
        || fields->size > MOST * FIELDS)
        return kernel;
    kernel.count = (int32_t)(fields->size / FIELDS);
    for (int i = 0; i < kernel.count; i++)
        kernel.rules[i] = rules_of((const float *)fields->data + i * FIELDS);
    return kernel;
}

static Array array_of(const void *of)
{
    const XLA_FFI_Buffer *buffer = of;
    Array array = {NULL, NULL, 1};
    for (int64_t axis = 0; axis < buffer->rank; axis++) array.n *= buffer->dims[axis];
    if (array.n) array.at = buffer->data;
    return array;
}

static int are_floats(void **buffers, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        if (((const XLA_FFI_Buffer *)buffers[i])->dtype != XLA_FFI_DataType_F32) return 0;
    return 1;
}

/* Return why the buffers are not those of an operator, NULL if they are. */
static const char *wrong(XLA_FFI_CallFrame *frame, const Kernel *kernel, int more_arguments,
                         int64_t results)
{
    if (!kernel->count || frame->args.size != THRESHOLDS + kernel->count + more_arguments
        || frame->rets.size != results)
        return WRONG_RULES;
    return are_floats(frame->args.args, frame->args.size)
                   && are_floats(frame->rets.rets, frame->rets.size)
        ? NULL : "all tensors are of float32 here";
}

static Inputs inputs_of(const Kernel *kernel, void **arguments)
{
    Inputs in = {array_of(arguments[X]), array_of(arguments[BIAS]), array_of(arguments[EXPONENT]),
                 {{NULL, NULL, 0}}};
    for (int i = 0; i < kernel->count; i++)
        in.thresholds[i] = array_of(arguments[THRESHOLDS + i]);
    return in;
}

static XLA_FFI_Error *done(XLA_FFI_CallFrame *frame, int failed)
{
    return failed ? failure(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, NO_MEMORY) : NULL;
}

XLA_FFI_Error *keras_alt_quantize(XLA_FFI_CallFrame *frame)
{
    if (tells_version(frame)) return NULL;
    Kernel kernel = kernel_of(&frame->attrs);
    const char *reason = wrong(frame, &kernel, 0, 1);
    if (reason) return refused(frame, reason);
    Inputs in = inputs_of(&kernel, frame->args.args);
    Array y = array_of(frame->rets.rets[0]);
    reason = y.n == in.x.n ? misfit(&kernel, &in) : "y has not the size of x";
    return reason ? refused(frame, reason) : done(frame, quantize(&kernel, &in, y));
}

XLA_FFI_Error *keras_alt_quantize_gradient(XLA_FFI_CallFrame *frame)
{
    if (tells_version(frame)) return NULL;
    Kernel kernel = kernel_of(&frame->attrs);
    const char *reason = wrong(frame, &kernel, 1, 2 + kernel.count);
    if (reason) return refused(frame, reason);
    Inputs in = inputs_of(&kernel, frame->args.args);
    Array upstream = array_of(frame->args.args[THRESHOLDS + kernel.count]);
    Array dx = array_of(frame->rets.rets[0]), dbias = array_of(frame->rets.rets[1]);
    Array dt[MOST] = {{NULL, NULL, 0}};
    int fits = upstream.n == in.x.n && dx.n == in.x.n && dbias.n == in.bias.n;
    for (int i = 0; i < kernel.count; i++) {
        dt[i] = array_of(frame->rets.rets[2 + i]);
        fits = fits && dt[i].n == in.thresholds[i].n;
    }
    reason = fits ? misfit(&kernel, &in) : WRONG_UPSTREAM;
    return reason ? refused(frame, reason)
                  : done(frame, quantize_gradient(&kernel, &in, upstream, dx, dbias, dt));
}
