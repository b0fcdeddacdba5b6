/* Sums of n products, of codes x with four rows of the kernel; one row begins where another ends. */
static inline void $name(const $x *restrict x, const $w *restrict kernel, int32_t first, int32_t n,
    $t *restrict sums)
{
    $t a = 0, b = 0, c = 0, d = 0;
    for (int32_t i = 0; i < n; i++) {
        a += ($t)x[i] * $weight;
        b += ($t)x[i] * $second;
        c += ($t)x[i] * $third;
        d += ($t)x[i] * $fourth;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
