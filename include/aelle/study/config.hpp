#pragma once
/// A study file, checked: which variants, how long to train, when and how to take spectra.
///
/// Tables: [study] name, task, seed · [variants] cells, hidden, count, init_values, group_size · [training] epochs · [spectrum] ... ·
/// one table per concern of the task (study/task.hpp) · [analysis], which `app` reads.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/study/toml.hpp"

namespace aelle::study {

struct SpectrumConfig {
    std::vector<int64_t> epochs;  ///< training epochs after which spectra are taken, ascending; 0 = before training
    std::vector<std::string> kinds{"full"};
    int64_t steps = 0;      ///< 0: as many as the task's input sequences have
    int64_t warmup = 0;
    int64_t interval = 0;   ///< 0 = automatic
    int64_t exponents = 0;  ///< leading ones; 0 = all
    backend::QrMethod qr = backend::QrMethod::accurate;
    bool random_start = false;
};

struct StudyConfig {
    std::string name;
    std::string task;
    uint64_t seed = 0;
    std::vector<std::string> cells;
    std::vector<int64_t> hidden;
    int64_t count = 0;                ///< variants per cell and size
    std::vector<double> init_values;  ///< taken in turn
    int64_t group_size = 0;           ///< most variants worked on and stored together
    int64_t epochs = 0;               ///< training epochs
    SpectrumConfig spectrum;
};

/// Largest number of variants of one study.
inline constexpr int64_t max_variants = 1'000'000;

/// Reads what is common to all tasks. DataError as in study/toml.hpp; keys of other tables are left for their readers, so the caller
/// finishes the root table.
StudyConfig read_config(TomlTable& root);

}  // namespace aelle::study
