#include "aelle/learn/model.hpp"

#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::learn {
namespace {

using cells::Initial;

double width(const Initial& law, const cells::Shape& shape, const cells::Parameters& parameters, double p) {
    const auto h = static_cast<double>(shape.hidden), i = static_cast<double>(shape.input);
    switch (law.width) {
        case Initial::Width::one: return law.factor;
        case Initial::Width::p: return law.factor * p;
        case Initial::Width::scalar: return law.factor * parameters.scalars.find(law.scalar)->second;
        case Initial::Width::per_hidden: return law.factor / h;
        case Initial::Width::per_input: return law.factor / i;
        case Initial::Width::per_root_hidden: return law.factor / std::sqrt(h);
        case Initial::Width::per_root_input: return law.factor / std::sqrt(i);
        case Initial::Width::per_root_joint: return law.factor / std::sqrt(i + 2 * h);
        case Initial::Width::xavier: return law.factor * std::sqrt(2 / (i + h));
    }
    throw InternalError("internal error: unknown width of an initial law");
}

void draw(const Initial& law, double width, RandomStream random, std::vector<double>& values) {
    for (double& value : values) {
        double drawn = width;
        if (law.law == Initial::Law::uniform) drawn = random.uniform(-width, width);
        if (law.law == Initial::Law::normal) drawn = width * random.normal();
        value = static_cast<float>(drawn);
    }
}

}  // namespace

Model initial_model(const cells::CellSpec& cell, const cells::Shape& shape, int64_t classes, const cells::Parameters& scalars,
                    const InitOptions& options, uint64_t seed, uint64_t variant) {
    if (classes < 1) throw DataError("classes: found " + std::to_string(classes) + ", expected at least 1");
    if (options.p && !(std::isfinite(*options.p) && *options.p >= 0)) {
        throw DataError("init: found " + std::to_string(*options.p) + ", expected a finite number, at least 0");
    }
    Model model{&cell, shape, {}, classes, {}, {}};
    model.parameters.scalars = scalars.scalars;
    const auto law = [&](const cells::TensorSpec& tensor) { return options.p ? tensor.study : tensor.standard; };
    for (const cells::TensorSpec& tensor : cell.tensors) {
        if (law(tensor).law == Initial::Law::absent) continue;
        model.parameters.tensors[std::string(tensor.name)].resize(static_cast<std::size_t>(cells::element_count(tensor, shape)));
    }
    cells::complete(cell, shape, model.parameters);  // fills the scalars that widths need
    for (std::size_t i = 0; i < cell.tensors.size(); ++i) {
        const cells::TensorSpec& tensor = cell.tensors[i];
        const auto found = model.parameters.tensors.find(tensor.name);
        if (found == model.parameters.tensors.end()) continue;
        RandomStream random(seed, variant, Purpose::weights, i);
        if (options.unit_inputs && tensor.name == "weight_ih_l0") {
            for (double& value : found->second) value = static_cast<float>(random.uniform());
        } else {
            draw(law(tensor), width(law(tensor), shape, model.parameters, options.p.value_or(0)), random, found->second);
        }
    }
    draw_readout(model, seed, variant);
    return model;
}

void draw_readout(Model& model, uint64_t seed, uint64_t variant) {
    const auto law = Initial::uniform(Initial::Width::per_root_hidden);
    const double bound = width(law, model.shape, model.parameters, 0);
    const std::size_t first = model.cell->tensors.size();
    model.fc_weight.resize(static_cast<std::size_t>(model.classes * model.shape.hidden));
    model.fc_bias.resize(static_cast<std::size_t>(model.classes));
    draw(law, bound, RandomStream(seed, variant, Purpose::weights, first), model.fc_weight);
    draw(law, bound, RandomStream(seed, variant, Purpose::weights, first + 1), model.fc_bias);
}

}  // namespace aelle::learn
