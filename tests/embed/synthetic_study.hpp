#pragma once
/// A made-up study for tests of the analysis: smooth descending spectra with a hidden cause, and losses that follow it or not.

#include <cmath>

#include "aelle/base/random.hpp"
#include "aelle/embed/analysis.hpp"
#include "aelle/embed/scores.hpp"

namespace aelle::embed {

enum class Rule {
    band,  ///< the loss grows with the distance of the hidden cause from the middle of its range
    none,  ///< the loss is drawn without regard to the spectrum
};

inline AnalysisInput synthetic_study(int64_t variants, int64_t epochs, Rule rule, int64_t dimension = 16) {
    AnalysisInput input;
    input.seed = 77;
    input.largest_dimension = dimension;
    for (int64_t e = 0; e < epochs; ++e) input.epochs.push_back(5 * e);
    RandomStream random(123, 0, Purpose::noise);
    for (int64_t v = 0; v < variants; ++v) {
        const double cause = random.uniform(-1, 1), other = random.uniform(-1, 1);
        const double noise = random.uniform();
        input.variant.push_back(v);
        input.cell.push_back("rank1");
        input.hidden.push_back(dimension);
        input.init.push_back(1.5 + 0.5 * other);
        input.status.push_back("ok");
        input.dimension.push_back(dimension);
        const double loss = rule == Rule::band ? 0.05 + cause * cause + 0.01 * noise : noise;
        input.loss_final.push_back(loss);
        input.loss_best.push_back(0.9 * loss);
        for (int64_t e = 0; e < epochs; ++e) {
            input.loss.push_back(loss * (1.0 + 0.5 * static_cast<double>(epochs - 1 - e)));
            const double age = 0.3 * static_cast<double>(epochs - 1 - e);
            for (int64_t i = 0; i < dimension; ++i) {
                const double place = static_cast<double>(i) / static_cast<double>(dimension);
                input.exponents.push_back(0.02 * cause - (0.1 + age * 0.05) * (1.0 + 0.3 * other) * place - 0.02 * cause * place * place);
            }
        }
    }
    return input;
}

inline std::vector<uint8_t> labels_of(const AnalysisInput& input) {
    const double threshold = median(input.loss_final);
    std::vector<uint8_t> label;
    for (const double loss : input.loss_final) label.push_back(loss < threshold);
    return label;
}

}  // namespace aelle::embed
