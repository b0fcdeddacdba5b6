/* Products of a row of n codes with a matrix. Kernel: filters x n. */
static void $name(const $x *restrict x, const $w *restrict kernel,
    int32_t n, int32_t filters, $t *restrict sums)
{
    const int32_t rest = filters % 4, most = filters - rest;
    for (int32_t filter = 0; filter < most; filter += 4)
        $dots(x, kernel, filter * n, n, sums + filter);
    for (int32_t i = 0; i < rest; i++)
        sums[most + i] = $dot(x, kernel, (most + i) * n, n);
}
