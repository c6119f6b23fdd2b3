#include "cases.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/backend/choose.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"

namespace aelle::perf {

const backend::Backend& cpu() {
    static const auto choice = backend::choose(backend::Device::cpu);
    return *choice.backend;
}

cells::Parameters uniform_parameters(const cells::CellSpec& cell, const cells::Shape& shape, double width) {
    cells::Parameters parameters;
    for (std::size_t t = 0; t < cell.tensors.size(); ++t) {
        RandomStream random(1, t, Purpose::weights);
        auto& values = parameters.tensors[std::string(cell.tensors[t].name)];
        values.resize(static_cast<std::size_t>(cells::element_count(cell.tensors[t], shape)));
        for (double& x : values) x = random.uniform(-width, width);
    }
    cells::complete(cell, shape, parameters);
    return parameters;
}

double update_flop(const cells::CellSpec& cell, const cells::Shape& shape, const UpdateShape& update) {
    double recurrent = 0, input = 0;
    for (const auto& stage : cell.stages) {
        for (const auto& term : stage.terms) {
            if (term.source == cells::Source::state || term.source == cells::Source::updated_state) recurrent += 1;
            if (term.source == cells::Source::input && !update.one_hot) input += 1;
        }
    }
    const auto h = static_cast<double>(shape.hidden), i = static_cast<double>(shape.input);
    const double predictions = static_cast<double>(update.batch * (update.every_step ? update.steps : 1));
    return 2 * h * (3 * h * recurrent + 2 * i * input) * static_cast<double>(update.steps * update.batch) +
           6 * h * static_cast<double>(update.classes) * predictions;
}

double relative_difference(std::span<const double> a, std::span<const double> b) {
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] == b[i] && std::isinf(a[i])) continue;  // log 0 in both
        worst = nan_max(worst, std::fabs(a[i] - b[i]));
        scale = std::max(scale, std::fabs(b[i]));
    }
    return worst / scale;
}

}  // namespace aelle::perf
