/* Sums of a transposed convolution at one position of the result: of the input cells that lie a
   whole number of strides from it. Here, before counts cropped cells. Kernel: window x filters x
   channels. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    const struct window *w, int32_t at, $t *restrict sums)
{
    const int32_t *output = w->output, *size = w->size;
    const int32_t place[3] = {at / (output[1] * output[2]) + w->before[0],
                              at / output[2] % output[1] + w->before[1],
                              at % output[2] + w->before[2]};
    const int32_t taps = size[0] * size[1] * size[2];

    for (int32_t i = 0; i < w->filters; i++)
        sums[i] = 0;
    for (int32_t tap = 0; tap < taps; tap++) {
        const int32_t step[3] = {tap / (size[1] * size[2]), tap / size[2] % size[1],
                                 tap % size[2]};
        int32_t cell = 0;
        for (int axis = 0; axis < 3 && cell >= 0; axis++) {
            const int32_t from = place[axis] - step[axis] * w->dilation[axis];
            const int32_t index = from / w->stride[axis];
            const int inside = from >= 0 && from % w->stride[axis] == 0 && index < w->input[axis];
            cell = inside ? cell * w->input[axis] + index : -1;
        }
        for (int32_t i = 0; cell >= 0 && i < w->filters; i++)
            sums[i] += $dot(x + cell * w->channels, kernel, (tap * w->filters + i) * w->channels,
                            w->channels);
    }
}
