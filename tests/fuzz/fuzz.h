/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share: an input that is read from its start. */
#ifndef SHADOW_FUZZ_H
#define SHADOW_FUZZ_H

/* libFuzzer calls these. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A promise: the input that breaks it is a finding. */
#define fuzz_assert(promise)                                            \
    do {                                                                \
        if (!(promise)) {                                               \
            fuzz_broken(#promise, __FILE__, __LINE__);                  \
        }                                                               \
    } while (0)

static inline G_NORETURN void fuzz_broken(const char *promise,
                                          const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, promise);
    abort();
}

typedef struct FuzzInput {
    const uint8_t *data;
    size_t len;
} FuzzInput;

/* What follows the end of the input are zeros. */
static inline uint8_t fuzz_u8(FuzzInput *in)
{
    if (!in->len) {
        return 0;
    }
    in->len--;
    return *in->data++;
}

static inline uint16_t fuzz_u16(FuzzInput *in)
{
    uint16_t high = fuzz_u8(in);

    return high << 8 | fuzz_u8(in);
}

static inline uint32_t fuzz_u32(FuzzInput *in)
{
    uint32_t high = fuzz_u16(in);

    return high << 16 | fuzz_u16(in);
}

#endif /* SHADOW_FUZZ_H */
