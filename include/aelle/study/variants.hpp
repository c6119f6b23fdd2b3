#pragma once
/// The variants of a study and the groups in which they are worked on. Both are functions of the study file alone.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/study/config.hpp"

namespace aelle::study {

struct Variant {
    int64_t id = 0;  ///< position in the study's order: cell, then size, then count
    std::string cell;
    int64_t hidden = 0;
    double init = 0.0;  ///< the varied initialisation parameter (g or p)
    uint64_t seed = 0;  ///< of all its random numbers; `aelle train --seed` with it repeats the variant
};

std::vector<Variant> sample_variants(const StudyConfig& config);

/// What the scheduler sees of a group: nothing about cells or tasks.
struct Group {
    int64_t id = 0;
    std::string key;                ///< equal keys may share one batch on a device
    double cost = 0.0;              ///< estimated work, any unit
    std::vector<int64_t> variants;  ///< ids, ascending
    std::string study;              ///< fingerprint of the study, without its analysis: files of another one are refused
};

/// Consecutive variants of equal cell and size, at most group_size each. `work` estimates one variant's cost.
template <class Work>
std::vector<Group> make_groups(const std::vector<Variant>& variants, int64_t group_size, const std::string& study, Work work) {
    std::vector<Group> groups;
    for (const Variant& variant : variants) {
        const std::string key = variant.cell + "/" + std::to_string(variant.hidden);
        if (groups.empty() || groups.back().key != key || static_cast<int64_t>(groups.back().variants.size()) == group_size) {
            groups.push_back({static_cast<int64_t>(groups.size()), key, 0.0, {}, study});
        }
        groups.back().cost += work(variant);
        groups.back().variants.push_back(variant.id);
    }
    return groups;
}

}  // namespace aelle::study
