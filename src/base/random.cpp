#include "aelle/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "aelle/base/random_formulas.hpp"
#include "aelle/base/vector.hpp"

namespace aelle {

RandomStream::RandomStream(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step)
    : key_(random_formulas::key_words(seed)), counter_(random_formulas::counter_words(0, variant, purpose, step)) {}

uint32_t RandomStream::bits() {
    if (used_ == 4) {
        block_ = philox(counter_, key_);
        ++counter_[0];
        used_ = 0;
    }
    return block_[static_cast<std::size_t>(used_++)];
}

double RandomStream::uniform() {
    const uint64_t high = bits() >> 5;  // 27 bits
    const uint64_t low = bits() >> 6;   // 26 bits
    return (static_cast<double>(high << 26 | low) + 0.5) * 0x1p-53;
}

double RandomStream::uniform(double low, double high) { return low + (high - low) * uniform(); }

double RandomStream::normal() {
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    const double angle = 2.0 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
}

int64_t RandomStream::below(int64_t n) {
    const uint64_t bound = static_cast<uint64_t>(n);
    const uint64_t limit = (uint64_t{1} << 32) / bound * bound;  // reject the last, incomplete copy of 0 .. n-1
    uint64_t draw = bits();
    while (draw >= limit) draw = bits();
    return static_cast<int64_t>(draw % bound);
}

RandomField::RandomField(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step, uint32_t time) {
    key_ = random_formulas::field_key(seed, variant, purpose, step, time);
}

namespace {

/// Words of `tile_blocks` consecutive blocks of Philox, word by word, so that loops over them run in vector registers.
constexpr uint32_t tile_blocks = 16;
struct Tile {
    alignas(64) uint32_t word[4][tile_blocks];
};

/// The blocks from `first` on. A function of its own, as those below: together compilers leave the loops of some instruction sets scalar.
AELLE_CLONES void fill(Tile& tile, uint32_t first, uint32_t row, uint32_t stream, std::array<uint32_t, 2> key) {
    constexpr uint64_t low = 0xFFFFFFFFu;
    alignas(64) uint64_t word[4][tile_blocks];  // 32 bits each, in the 64 that products fill
    for (uint32_t i = 0; i < tile_blocks; ++i) {
        word[0][i] = first + i;
        word[1][i] = row;
        word[2][i] = stream;
        word[3][i] = 0;
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
#pragma omp simd
        for (uint32_t i = 0; i < tile_blocks; ++i) {
            const uint64_t p0 = uint64_t{0xD2511F53u} * word[0][i];
            const uint64_t p1 = uint64_t{0xCD9E8D57u} * word[2][i];
            word[0][i] = (p1 >> 32) ^ word[1][i] ^ key[0];
            word[1][i] = p1 & low;
            word[2][i] = (p0 >> 32) ^ word[3][i] ^ key[1];
            word[3][i] = p0 & low;
        }
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    for (uint32_t j = 0; j < 4; ++j)
        for (uint32_t i = 0; i < tile_blocks; ++i) tile.word[j][i] = static_cast<uint32_t>(word[j][i]);
}

/// values[4 i + j] = planes[j][i]
AELLE_BODY void interleave(const float (&planes)[4][tile_blocks], float* values) {
    for (uint32_t i = 0; i < tile_blocks; ++i) {
        values[4 * i] = planes[0][i];
        values[4 * i + 1] = planes[1][i];
        values[4 * i + 2] = planes[2][i];
        values[4 * i + 3] = planes[3][i];
    }
}

/// 4 tile_blocks numbers, column by column.
AELLE_CLONES void uniforms(const Tile& tile, float* values) {
    alignas(64) float planes[4][tile_blocks];
    for (uint32_t j = 0; j < 4; ++j)
        for (uint32_t i = 0; i < tile_blocks; ++i) planes[j][i] = random_formulas::unit_interval(tile.word[j][i]);
    interleave(planes, values);
}

AELLE_CLONES void normals(const Tile& tile, float* values) {
    alignas(64) float planes[4][tile_blocks];
    for (uint32_t pair = 0; pair < 4; pair += 2) {
#pragma omp simd
        for (uint32_t i = 0; i < tile_blocks; ++i) {
            float first, second;
            random_formulas::normal_pair(tile.word[pair][i], tile.word[pair + 1][i], first, second);
            planes[pair][i] = first;
            planes[pair + 1][i] = second;
        }
    }
    interleave(planes, values);
}

using Distribution = void (*)(const Tile&, float*);

void draw(Distribution distribution, std::array<uint32_t, 2> key, uint32_t stream, uint32_t row, std::span<float> out) {
    constexpr std::size_t width = 4 * tile_blocks;
    Tile tile;
    std::size_t first = 0;
    for (; first + width <= out.size(); first += width) {
        fill(tile, static_cast<uint32_t>(first / 4), row, stream, key);
        distribution(tile, out.data() + first);
    }
    if (first == out.size()) return;
    float values[width];
    fill(tile, static_cast<uint32_t>(first / 4), row, stream, key);
    distribution(tile, values);
    std::copy_n(values, out.size() - first, out.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace

void RandomField::uniform(uint32_t stream, uint32_t row, std::span<float> out) const { draw(uniforms, key_, stream, row, out); }

void RandomField::normal(uint32_t stream, uint32_t row, std::span<float> out) const { draw(normals, key_, stream, row, out); }

}  // namespace aelle
