/* $title over axes, for n codes side by side. */
static void $name(const $x *restrict x, const struct axes *axes,
    int32_t n, $t *restrict row)
{
    for (int32_t i = 0; i < n; i++)
        row[i] = $initial;
    for (int32_t p = 0; p < axes->size[0]; p++)
        for (int32_t q = 0; q < axes->size[1]; q++)
            for (int32_t r = 0; r < axes->size[2]; r++) {
                const $x *const codes = x + p * axes->stride[0] + q * axes->stride[1]
                                        + r * axes->stride[2];
                for (int32_t i = 0; i < n; i++)
                    row[i] = $combined;
            }
}
