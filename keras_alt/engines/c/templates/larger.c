static inline $t $name($t a, $t b)
{
    return a > b ? a : b;
}
