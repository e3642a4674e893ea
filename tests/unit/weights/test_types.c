/* Formats of tensors: the value of each element of a block, beside a second way to take the block apart. */
#include "core/base/half.h"
#include "files.h"

#define BLOCKS 3u

/* Bytes of a block with all patterns; its scales are small halves. */
static void fill_block(uint8_t *block, uint32_t bytes, uint32_t seed)
{
    for (uint32_t i = 0; i < bytes; i++)
        block[i] = (uint8_t) ((i + 1 + seed) * 2654435761u >> 13);
}

static void set_half(uint8_t *at, float value)
{
    uint16_t bits = half_of_float(value);
    memcpy(at, &bits, sizeof bits);
}

/* Bits `from` to `from + count - 1` of a string of bits, the lowest of each byte first. */
static uint32_t bits_at(const uint8_t *bytes, uint32_t from, uint32_t count)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++)
        value |= (uint32_t) (bytes[(from + i) / 8] >> (from + i) % 8 & 1) << i;
    return value;
}

static void assert_blocks(enum weights_type type, const uint8_t *blocks, const double *wanted)
{
    uint32_t columns = weights_block_elements(type);
    const struct weights_tensor tensor = {.type = type,
                                          .rows = BLOCKS,
                                          .columns = columns,
                                          .at = blocks,
                                          .bytes = BLOCKS * weights_row_bytes(type, columns)};
    float found[BLOCKS * 256];
    weights_read_rows(&tensor, 0, BLOCKS, found);
    for (uint32_t i = 0; i < BLOCKS * columns; i++)
        assert_true(found[i] == (float) wanted[i]);
    weights_read_rows(&tensor, 1, 1, found); /* any row alone */
    for (uint32_t i = 0; i < columns; i++)
        assert_true(found[i] == (float) wanted[columns + i]);
}

static void q8_0_is_a_scale_times_signed_bytes(void **state)
{
    (void) state;
    uint8_t blocks[BLOCKS * 34];
    double wanted[BLOCKS * 32];
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint8_t *block = blocks + 34 * b;
        fill_block(block, 34, b);
        block[2] = 0x80; /* -128 */
        set_half(block, 0.123f * (float) (b + 1));
        double scale = (double) half_to_float(half_of_float(0.123f * (float) (b + 1)));
        for (uint32_t i = 0; i < 32; i++)
            wanted[32 * b + i] = scale * (block[2 + i] < 128 ? block[2 + i] : block[2 + i] - 256);
    }
    assert_blocks(WEIGHTS_Q8_0, blocks, wanted);
}

static void q4_0_is_a_scale_times_nibbles_less_eight(void **state)
{
    (void) state;
    uint8_t blocks[BLOCKS * 18];
    double wanted[BLOCKS * 32];
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint8_t *block = blocks + 18 * b;
        fill_block(block, 18, b);
        set_half(block, -0.37f);
        double scale = (double) half_to_float(half_of_float(-0.37f));
        for (uint32_t i = 0; i < 32; i++)
            wanted[32 * b + i] = scale * ((int) bits_at(block + 2, i % 16 * 8 + i / 16 * 4, 4) - 8);
    }
    assert_blocks(WEIGHTS_Q4_0, blocks, wanted);
}

/* A block is made from known scales, offsets and nibbles, packed by the rule of the format. */
static void q4_k_is_what_was_packed(void **state)
{
    (void) state;
    uint8_t blocks[BLOCKS * 144] = {0};
    double wanted[BLOCKS * 256];
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint8_t *block = blocks + 144 * b, *packed = block + 4, *nibbles = block + 16;
        set_half(block, 0.011f);
        set_half(block + 2, 0.07f);
        double d = (double) half_to_float(half_of_float(0.011f)),
               less = (double) half_to_float(half_of_float(0.07f));
        for (uint32_t part = 0; part < 8; part++) {
            uint32_t scale = (part * 37 + b * 11 + 5) % 64, offset = (part * 23 + b * 7 + 60) % 64;
            if (part < 4) {
                packed[part] |= (uint8_t) scale;
                packed[part + 4] |= (uint8_t) offset;
            } else {
                packed[part + 4] = (uint8_t) (scale % 16 + offset % 16 * 16);
                packed[part - 4] |= (uint8_t) (scale / 16 * 64);
                packed[part] |= (uint8_t) (offset / 16 * 64);
            }
            for (uint32_t i = 0; i < 32; i++) {
                uint32_t nibble = (i * 7 + part * 3 + b) % 16;
                nibbles[part / 2 * 32 + i] |= (uint8_t) (nibble << part % 2 * 4);
                wanted[256 * b + 32 * part + i] =
                    (double) (float) (d * scale * nibble) - (double) (float) (less * offset);
            }
        }
    }
    assert_blocks(WEIGHTS_Q4_K, blocks, wanted);
}

static void q6_k_is_what_was_packed(void **state)
{
    (void) state;
    uint8_t blocks[BLOCKS * 210] = {0};
    double wanted[BLOCKS * 256];
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint8_t *block = blocks + 210 * b;
        set_half(block + 208, 0.0173f);
        double d = (double) half_to_float(half_of_float(0.0173f));
        for (uint32_t i = 0; i < 16; i++)
            block[192 + i] = (uint8_t) (i * 53 + b * 17);
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = (i * 29 + b * 13) % 64, half = i / 128, within = i % 128;
            /* Four bits of elements 0 and 64, 1 and 65, ... share a byte; two bits of 0, 32, 64 and 96. */
            block[half * 64 + within % 64] |= (uint8_t) (value % 16 << within / 64 * 4);
            block[128 + half * 32 + within % 32] |= (uint8_t) (value / 16 << within / 32 * 2);
            wanted[256 * b + i] = d * (int8_t) block[192 + i / 16] * ((int) value - 32);
        }
    }
    assert_blocks(WEIGHTS_Q6_K, blocks, wanted);
}

static void floats_of_16_bits_are_read_wherever_they_lie(void **state)
{
    (void) state;
    uint8_t bytes[1 + 2 * 4];
    const float wanted[] = {1.5f, -0.25f, 1024.0f, 0.0f};
    float found[4];
    for (size_t i = 0; i < 4; i++)
        set_half(bytes + 1 + 2 * i, wanted[i]);
    struct weights_tensor tensor = {
        .type = WEIGHTS_F16, .rows = 2, .columns = 2, .at = bytes + 1, .bytes = 8};
    weights_read_rows(&tensor, 0, 2, found);
    assert_memory_equal(found, wanted, sizeof wanted);
    for (size_t i = 0; i < 4; i++) {
        uint16_t bits = half_brain_of_float(wanted[i]);
        memcpy(bytes + 1 + 2 * i, &bits, sizeof bits);
    }
    tensor.type = WEIGHTS_BF16;
    weights_read_rows(&tensor, 0, 2, found);
    assert_memory_equal(found, wanted, sizeof wanted);
}

static void every_format_has_its_name_and_its_size(void **state)
{
    (void) state;
    const struct {
        const char *name;
        uint32_t elements, bytes;
    } wanted[WEIGHTS_TYPES] = {{"F32", 1, 4},    {"F16", 1, 2},      {"BF16", 1, 2},    {"Q8_0", 32, 34},
                               {"Q4_0", 32, 18}, {"Q4_K", 256, 144}, {"Q6_K", 256, 210}};
    for (enum weights_type type = WEIGHTS_F32; type < WEIGHTS_TYPES; type++) {
        assert_string_equal(weights_type_name(type), wanted[type].name);
        assert_int_equal(weights_block_elements(type), wanted[type].elements);
        assert_int_equal(weights_block_bytes(type), wanted[type].bytes);
        assert_int_equal(weights_row_bytes(type, 512), 512 / wanted[type].elements * wanted[type].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q8_0_is_a_scale_times_signed_bytes),
        cmocka_unit_test(q4_0_is_a_scale_times_nibbles_less_eight),
        cmocka_unit_test(q4_k_is_what_was_packed),
        cmocka_unit_test(q6_k_is_what_was_packed),
        cmocka_unit_test(floats_of_16_bits_are_read_wherever_they_lie),
        cmocka_unit_test(every_format_has_its_name_and_its_size),
    };
    return cmocka_run_group_tests_name("types", tests, NULL, NULL);
}
