/* Sums of a depthwise convolution at one position, $each for each channel.
   Kernel: window x sums. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    const struct window *w, int32_t at, $t *restrict sums)
{
    const int32_t *input = w->input, *output = w->output, *size = w->size, n = w->filters;
    const struct span a = span(w, 0, at / (output[1] * output[2]));
    const struct span b = span(w, 1, at / output[2] % output[1]);
    const struct span c = span(w, 2, at % output[2]);

    for (int32_t i = 0; i < n; i++)
        sums[i] = 0;
    for (int32_t p = a.first; p < a.end; p++)
        for (int32_t q = b.first; q < b.end; q++)
            for (int32_t r = c.first; r < c.end; r++) {
                const int32_t row = (a.start + p * w->dilation[0]) * input[1] + b.start
                                    + q * w->dilation[1];
                const int32_t cell = row * input[2] + c.start + r * w->dilation[2];
                const int32_t first = ((p * size[1] + q) * size[2] + r) * n;
                const $x *const codes = x + cell * w->channels;
                for (int32_t i = 0; i < n; i++)
                    sums[i] += ($t)codes[$channel] * $weight;
            }
}
