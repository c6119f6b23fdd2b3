#pragma once
/// A study file, checked: which variants, how long to train, when and how to take spectra.
///
/// Tables: [study] name, task, seed · [variants] cells, hidden, count, init_values or init_range with init_distribution, group_size ·
/// [training] epochs, keep_weights · [spectrum] epochs, kinds, steps, warmup, interval, exponents, qr, q0, precision,
/// extended_up_to ·
/// what else these and other tables hold for the task (study/task.hpp) · [analysis], which `app` reads.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "aelle/study/toml.hpp"

namespace aelle::study {

struct SpectrumConfig {
    std::vector<int64_t> epochs;             ///< training epochs after which spectra are taken, ascending; 0 = before training
    std::vector<std::string> kinds{"full"};  ///< names of lyapunov::spectrum_kinds(), each once; the first is what the analysis sees
    int64_t steps = 0;                       ///< 0: as many as the task's input sequences have
    int64_t warmup = 0;
    int64_t interval = 0;   ///< 0 = automatic
    int64_t exponents = 0;  ///< leading ones; 0 = all
    backend::QrMethod qr = backend::QrMethod::accurate;
    bool random_start = false;
    bool single_precision = false;
    int64_t extended_up_to = lyapunov::usual_extended_up_to;  ///< as in lyapunov::SpectrumOptions; 0: never
};

/// The law of the varied initialisation parameter.
enum class InitDistribution { in_turn, uniform, log_uniform };

struct StudyConfig {
    std::string name;
    std::string task;
    uint64_t seed = 0;
    std::vector<std::string> cells;
    std::vector<int64_t> hidden;
    int64_t count = 0;  ///< variants per cell and size
    InitDistribution init_distribution = InitDistribution::in_turn;
    std::vector<double> init_values;         ///< taken in turn, or
    double init_low = 0.0, init_high = 0.0;  ///< drawn between these, at full precision
    int64_t group_size = 0;                  ///< most variants worked on and stored together
    int64_t epochs = 0;                      ///< training epochs
    bool keep_weights = false;               ///< write the final weights of every variant
    SpectrumConfig spectrum;
};

/// Largest number of variants of one study.
inline constexpr int64_t max_variants = 1'000'000;

/// Reads what is common to all tasks. DataError as in study/toml.hpp; keys of other tables are left for their readers, so the caller
/// finishes the root table.
StudyConfig read_config(TomlTable& root);

}  // namespace aelle::study
