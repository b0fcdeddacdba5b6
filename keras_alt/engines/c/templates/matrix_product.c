/* Products of a row with a matrix. Kernel: filters x channels. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    int32_t channels, int32_t filters, $t *restrict sums)
{
    for (int32_t filter = 0; filter < filters; filter++)
        sums[filter] = $dot(x, kernel, filter * channels, channels);
}
