/* Code i of a stream of codes of $bits bits: the first is in the lowest bits of the first byte. */
static inline int32_t $name(const uint8_t *codes, int32_t i)
{
    const uint32_t at = (uint32_t)i;
    const int32_t code = (codes[at / $each] >> ($bits * (at % $each))) & $mask;
    return $extended;
}
