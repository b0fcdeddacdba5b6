/* c / divisor, rounded ($title). */
static inline $t $name($t c, $t divisor$offset)
{
    const $t quotient = c / divisor - (c % divisor < 0);$excess
    return quotient + ($rule);
}
