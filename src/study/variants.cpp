#include "aelle/study/variants.hpp"

#include "aelle/base/random.hpp"

namespace aelle::study {

std::vector<Variant> sample_variants(const StudyConfig& config) {
    std::vector<Variant> variants;
    for (const std::string& cell : config.cells) {
        for (const int64_t hidden : config.hidden) {
            for (int64_t i = 0; i < config.count; ++i) {
                const auto id = static_cast<int64_t>(variants.size());
                RandomStream stream(config.seed, static_cast<uint64_t>(id), Purpose::sampling);
                const uint64_t high = stream.bits() >> 1;  // HDF5 and TOML know signed 64-bit integers only
                const uint64_t seed = high << 32 | stream.bits();
                const double init = config.init_values[static_cast<std::size_t>(i) % config.init_values.size()];
                variants.push_back({id, cell, hidden, init, seed});
            }
        }
    }
    return variants;
}

}  // namespace aelle::study
