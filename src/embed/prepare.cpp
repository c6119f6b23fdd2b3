#include "prepare.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "aelle/embed/scores.hpp"
#include "aelle/embed/spectra.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void check_size(const char* name, std::size_t found, std::size_t expected) {
    if (found != expected) {
        throw DataError(std::string("analysis: ") + name + ": found " + std::to_string(found) + " values, expected " + std::to_string(expected));
    }
}

void check_sizes(const AnalysisInput& input) {
    const std::size_t count = input.variant.size();
    if (input.epochs.empty()) throw DataError("analysis: epoch: found none, expected at least one");
    check_size("cell", input.cell.size(), count);
    check_size("hidden", input.hidden.size(), count);
    check_size("init", input.init.size(), count);
    check_size("status", input.status.size(), count);
    check_size("loss_final", input.loss_final.size(), count);
    check_size("loss_best", input.loss_best.size(), count);
    check_size("dimension", input.dimension.size(), count);
    check_size("exponents", input.exponents.size(), count * input.epochs.size() * static_cast<std::size_t>(input.largest_dimension));
    for (const int64_t dimension : input.dimension) {
        if (dimension < 1 || dimension > input.largest_dimension) {
            throw DataError("analysis: dimension: found " + std::to_string(dimension) + ", expected from 1 to " +
                            std::to_string(input.largest_dimension));
        }
    }
}

void label_variants(const AnalysisInput& input, const AnalysisOptions& options, Prepared& data) {
    data.loss = options.loss == LossChoice::final ? input.loss_final : input.loss_best;
    std::vector<double> of_study;
    for (std::size_t v = 0; v < data.loss.size(); ++v) {
        if (input.status[v] == "failed") data.loss[v] = nan;  // no result: neither good nor bad, and not in the median
        else of_study.push_back(data.loss[v]);
    }
    data.median_loss = median(of_study);
    data.threshold = options.threshold.value_or(data.median_loss);
    for (const double loss : data.loss) data.label.push_back(loss < data.threshold);  // NaN: 0
}

}  // namespace

Prepared prepare(const AnalysisInput& input, const AnalysisOptions& options) {
    check_sizes(input);
    Prepared data;
    label_variants(input, options, data);
    const auto variants = static_cast<int64_t>(input.variant.size());
    const auto epochs = static_cast<int64_t>(input.epochs.size());
    const int64_t length = options.length > 0 ? options.length : input.largest_dimension;
    data.spectrum = Matrix<double>(length, variants * epochs);
    data.usable_variant.assign(static_cast<std::size_t>(variants), 0);
    for (auto* values : {&data.mean, &data.maximum, &data.deviation, &data.kaplan_yorke}) values->assign(static_cast<std::size_t>(variants * epochs), nan);
    for (int64_t row = 0; row < variants * epochs; ++row) {
        const auto v = static_cast<std::size_t>(row / epochs);
        const double* first = input.exponents.data() + row * input.largest_dimension;
        std::vector<double> exponents(first, first + input.dimension[v]);
        const bool usable = input.status[v] != "failed" && is_usable(exponents);
        data.usable.push_back(usable);
        if (!usable) continue;
        data.usable_variant[v] = 1;
        data.clipped += raise_to_floor(exponents, options.floor);
        const auto i = static_cast<std::size_t>(row);
        const Statistics of_row = statistics(exponents);
        data.mean[i] = of_row.mean;
        data.maximum[i] = of_row.maximum;
        data.deviation[i] = of_row.deviation;
        data.kaplan_yorke[i] = of_row.kaplan_yorke;
        const std::vector<double> samples = interpolate(exponents, length, options.interpolation);
        std::copy(samples.begin(), samples.end(), data.spectrum.column(row));
    }
    return data;
}

}  // namespace aelle::embed
