/* Sum of n products: codes x, and those of the kernel from the one called first. */
static inline $t $name(const $x *x, const $w *kernel, int32_t first, int32_t n)
{
    $t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += ($t)x[i] * $weight;
    return sum;
}
