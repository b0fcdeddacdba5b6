/* Products of a row of one tensor with a matrix of another, terms x n. */
static void $name(const $x *restrict x, const $w *restrict matrix,
    int32_t terms, int32_t n, $t *restrict sums)
{
    for (int32_t i = 0; i < n; i++)
        sums[i] = 0;
    for (int32_t term = 0; term < terms; term++)
        for (int32_t i = 0; i < n; i++)
            sums[i] += ($t)x[term] * matrix[term * n + i];
}
