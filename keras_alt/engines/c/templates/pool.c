/* $title over one window, for each channel. */
static void $name(const $x *restrict x, const struct window *w,
    int32_t at, $t *restrict row)
{
    const int32_t *input = w->input, *output = w->output, n = w->channels;
    const struct span a = span(w, 0, at / (output[1] * output[2]));
    const struct span b = span(w, 1, at / output[2] % output[1]);
    const struct span c = span(w, 2, at % output[2]);

    for (int32_t i = 0; i < n; i++)
        row[i] = $initial;
    for (int32_t p = a.first; p < a.end; p++)
        for (int32_t q = b.first; q < b.end; q++)
            for (int32_t r = c.first; r < c.end; r++) {
                const int32_t line = (a.start + p) * input[1] + b.start + q;
                const $x *const codes = x + (line * input[2] + c.start + r) * n;
                for (int32_t i = 0; i < n; i++)
                    row[i] = $combined;
            }
}
