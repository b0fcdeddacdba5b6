/* c / 2**shift, rounded ($title). */
static inline $t $name($t c, int shift$offset)
{
    const $t quotient = c >> shift;$excess
    return quotient + ($rule);
}
