#include "aelle/study/variants.hpp"

#include <cmath>

#include "aelle/base/random.hpp"

namespace aelle::study {
namespace {

/// The varied parameter of the `index`-th variant of its cell and size.
double init_value(const StudyConfig& config, int64_t index, RandomStream& stream) {
    switch (config.init_distribution) {
        case InitDistribution::in_turn: break;
        case InitDistribution::uniform: return stream.uniform(config.init_low, config.init_high);
        case InitDistribution::log_uniform: return std::exp(stream.uniform(std::log(config.init_low), std::log(config.init_high)));
    }
    return config.init_values[static_cast<std::size_t>(index) % config.init_values.size()];
}

}  // namespace

std::vector<Variant> sample_variants(const StudyConfig& config) {
    std::vector<Variant> variants;
    for (const std::string& cell : config.cells) {
        for (const int64_t hidden : config.hidden) {
            for (int64_t i = 0; i < config.count; ++i) {
                const auto id = static_cast<int64_t>(variants.size());
                RandomStream stream(config.seed, static_cast<uint64_t>(id), Purpose::sampling);
                const uint64_t high = stream.bits() >> 1;  // HDF5 and TOML know signed 64-bit integers only
                const uint64_t seed = high << 32 | stream.bits();
                variants.push_back({id, cell, hidden, init_value(config, i, stream), seed});
            }
        }
    }
    return variants;
}

}  // namespace aelle::study
