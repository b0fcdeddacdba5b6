/* Up to three axes that are reduced. */
struct axes {
    int32_t size[3], stride[3];
};
