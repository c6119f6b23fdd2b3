#include "cases.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/backend/choose.hpp"
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

double relative_difference(std::span<const double> a, std::span<const double> b) {
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::fabs(a[i] - b[i]));
        scale = std::max(scale, std::fabs(b[i]));
    }
    return worst / scale;
}

}  // namespace aelle::perf
