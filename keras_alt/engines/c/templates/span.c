/* Where a window begins along an axis, and which of its cells lie inside. */
struct span {
    int32_t start, first, end;
};

static inline struct span $name(const struct window *w, int axis, int32_t at)
{
    const int32_t dilation = w->dilation[axis];
    struct span s;
    s.start = at * w->stride[axis] - w->before[axis];
    s.first = s.start < 0 ? (dilation - 1 - s.start) / dilation : 0;
    s.end = (w->input[axis] - s.start + dilation - 1) / dilation;
    if (s.end > w->size[axis])
        s.end = w->size[axis];
    return s;
}
