/* Sums of a convolution at one position, with groups of channels, or cells that are apart.
   Kernel: filters x window x channels of a group. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    const struct window *w, int32_t at, int32_t groups, $t *restrict sums)
{
    const int32_t *input = w->input, *output = w->output, *size = w->size, *apart = w->dilation;
    const struct span a = span(w, 0, at / (output[1] * output[2]));
    const struct span b = span(w, 1, at / output[2] % output[1]);
    const struct span c = span(w, 2, at % output[2]);
    const int32_t run = w->channels / groups;

    for (int32_t filter = 0; filter < w->filters; filter++) {
        const int32_t group = filter / (w->filters / groups);
        $t sum = 0;
        for (int32_t i = a.first; i < a.end; i++)
            for (int32_t j = b.first; j < b.end; j++)
                for (int32_t k = c.first; k < c.end; k++) {
                    const int32_t row = (a.start + i * apart[0]) * input[1] + b.start + j * apart[1];
                    const int32_t cell = row * input[2] + c.start + k * apart[2];
                    const int32_t tap = ((filter * size[0] + i) * size[1] + j) * size[2] + k;
                    sum += $dot(x + cell * w->channels + group * run, kernel, tap * run, run);
                }
        sums[filter] = sum;
    }
}
