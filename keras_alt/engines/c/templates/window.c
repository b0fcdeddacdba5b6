/* Windows over the cells of three axes; lines and images have axes of size 1 in front. */
struct window {
    int32_t input[3], output[3], size[3], stride[3], dilation[3], before[3];
    int32_t channels, filters;
};
