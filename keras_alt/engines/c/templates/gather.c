/* The cells of a window at one position side by side; cells outside are zero. */
static void $name(const $x *restrict x, const struct window *w, int32_t at, $x *restrict cells)
{
    const int32_t *input = w->input, *output = w->output, *size = w->size, *apart = w->dilation;
    const int32_t first[3] = {at / (output[1] * output[2]) * w->stride[0] - w->before[0],
                              at / output[2] % output[1] * w->stride[1] - w->before[1],
                              at % output[2] * w->stride[2] - w->before[2]};
    const int32_t n = w->channels;

    for (int32_t p = 0; p < size[0]; p++)
        for (int32_t q = 0; q < size[1]; q++)
            for (int32_t r = 0; r < size[2]; r++, cells += n) {
                const int32_t a = first[0] + p * apart[0];
                const int32_t b = first[1] + q * apart[1];
                const int32_t c = first[2] + r * apart[2];
                if (a >= 0 && a < input[0] && b >= 0 && b < input[1] && c >= 0 && c < input[2]) {
                    const $x *const codes = x + ((a * input[1] + b) * input[2] + c) * n;
                    for (int32_t i = 0; i < n; i++)
                        cells[i] = codes[i];
                } else {
                    for (int32_t i = 0; i < n; i++)
                        cells[i] = 0;
                }
            }
}
