/* Sums of a convolution at one position. Kernel: filters x window x channels. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    const struct window *w, int32_t at, $t *restrict sums)
{
    const int32_t *input = w->input, *output = w->output, *size = w->size;
    const struct span a = span(w, 0, at / (output[1] * output[2]));
    const struct span b = span(w, 1, at / output[2] % output[1]);
    const struct span c = span(w, 2, at % output[2]);
    const int32_t run = (c.end - c.first) * w->channels; /* cells side by side */

    for (int32_t filter = 0; filter < w->filters; filter++) {
        $t sum = 0;
        for (int32_t i = a.first; i < a.end; i++)
            for (int32_t j = b.first; j < b.end; j++) {
                const int32_t row = (a.start + i * w->dilation[0]) * input[1] + b.start
                                    + j * w->dilation[1];
                const int32_t cell = row * input[2] + c.start + c.first;
                const int32_t tap = ((filter * size[0] + i) * size[1] + j) * size[2] + c.first;
                sum += $dot(x + cell * w->channels, kernel, tap * w->channels, run);
            }
        sums[filter] = sum;
    }
}
