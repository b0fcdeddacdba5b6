static inline $t $name($t c, $t low, $t high)
{
    return c < low ? low : c > high ? high : c;
}
