#pragma once
/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011, section 3 and table 2).
///
/// A draw is a pure function of (seed, variant, purpose, step, index), so results never depend on ranks, threads,
/// order of work or interruptions. The generator itself compiles for host and device.

#include <array>
#include <cstdint>
#include <span>

/// Before functions that are compiled for host and device. On the host they are inlined always, so that a vectorised loop never calls them: they
/// take the instruction set of the function around them.
#if defined(__CUDACC__)
#define AELLE_HOST_DEVICE __host__ __device__
#elif defined(__GNUC__)
#define AELLE_HOST_DEVICE [[gnu::always_inline]]
#else
#define AELLE_HOST_DEVICE
#endif

namespace aelle {

/// What a stream of numbers is for. Streams of unlike purpose never overlap. Values are part of every result: never renumber.
enum class Purpose : uint32_t {
    sampling = 1,      ///< initialisation parameters of variants
    weights = 2,       ///< initial recurrent weights
    feedback = 3,      ///< feedback weights of rank1
    initial_state = 4,
    target = 5,        ///< random target signals
    split = 6,         ///< training, validation and test networks of the analysis
    autoencoder = 7,   ///< initial weights of the autoencoder
    batches = 8,       ///< order of training samples
    dropout = 9,
    noise = 10,
    bootstrap = 11,
    tangent = 12,      ///< random initial tangent vectors
    sequences = 13,    ///< which sequences a study takes spectra and examples of, and which batches a variant sees
};

/// The 128-bit block number `counter` of the sequence with the 64-bit `key`.
AELLE_HOST_DEVICE inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
        const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
                   static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

/// A sequence of numbers for one (seed, variant, purpose, step). Cheap to make; not shared between threads.
class RandomStream {
public:
    RandomStream(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step = 0);

    uint32_t bits();                                ///< 32 random bits
    double uniform();                               ///< in (0, 1), 53 bits, never 0 or 1
    double uniform(double low, double high);        ///< in (low, high)
    double normal();                                ///< N(0, 1), Box-Muller
    int64_t below(int64_t n);                       ///< uniform on 0 .. n-1, without bias; n from 1 to 2^32

private:
    std::array<uint32_t, 2> key_;
    std::array<uint32_t, 4> counter_;
    std::array<uint32_t, 4> block_{};
    int used_ = 4;
    double spare_ = 0.0;
    bool has_spare_ = false;
};

/// Many numbers at once for one (seed, variant, purpose, step, time): a function of these and of (stream, row, column), whatever is drawn
/// before, beside or after. The same bits on every machine.
///
/// The key is made of the first two words of block `time` of RandomStream(seed, variant, purpose, step); column 4 q + j of a row comes
/// from word j of block (q, row, stream, 0) with that key.
class RandomField {
public:
    RandomField(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step, uint32_t time);

    /// Columns 0 .. out.size()-1 of U(0, 1): multiples of 2^-24, never 0 or 1.
    void uniform(uint32_t stream, uint32_t row, std::span<float> out) const;
    /// Columns 0 .. out.size()-1 of N(0, 1): Box-Muller of columns 2 k and 2 k + 1, |n| < 6.7.
    void normal(uint32_t stream, uint32_t row, std::span<float> out) const;

private:
    std::array<uint32_t, 2> key_;
};

}  // namespace aelle
