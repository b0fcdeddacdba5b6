/* Probabilities of a row of n codes, in steps of 2**-bits. The tables have exponentials for 0, 1,
   2, ... steps below the largest code; those of fine have guard more bits. */
static void $name(const $x *restrict x, int32_t n, int32_t stride, const $w *restrict table,
    const $v *restrict fine, int bits, int guard, int32_t *restrict row)
{
    int32_t most = x[0], total = (1 << guard) / 2;
    for (int32_t i = 1; i < n; i++)
        most = x[i * stride] > most ? x[i * stride] : most;
    for (int32_t i = 0; i < n; i++)
        total += fine[most - x[i * stride]];
    total >>= guard;
    for (int32_t i = 0; i < n; i++)
        row[i] = (((int32_t)table[most - x[i * stride]] << bits) + total / 2) / total;
}
