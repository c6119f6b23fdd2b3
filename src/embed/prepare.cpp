#include "prepare.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "aelle/embed/scores.hpp"
#include "aelle/embed/spectra.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

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
    if (!input.loss.empty()) check_size("loss", input.loss.size(), count * input.epochs.size());
    check_size("dimension", input.dimension.size(), count);
    check_size("exponents", input.exponents.size(), count * input.epochs.size() * static_cast<std::size_t>(input.largest_dimension));
    for (const int64_t dimension : input.dimension) {
        if (dimension < 1 || dimension > input.largest_dimension) {
            throw DataError("analysis: dimension: found " + std::to_string(dimension) + ", expected from 1 to " +
                            std::to_string(input.largest_dimension));
        }
    }
}

void find_architectures(const AnalysisInput& input, Prepared& data) {
    for (const std::string& cell : input.cell) {
        const auto found = std::find(data.cells.begin(), data.cells.end(), cell);
        data.cell.push_back(found - data.cells.begin());
        if (found == data.cells.end()) data.cells.push_back(cell);
    }
    std::vector<std::vector<double>> losses(data.cells.size());
    for (std::size_t v = 0; v < data.loss.size(); ++v) {
        if (input.status[v] != "failed") losses[static_cast<std::size_t>(data.cell[v])].push_back(data.loss[v]);
    }
    for (const int64_t cell : data.cell) data.cell_median.push_back(median(losses[static_cast<std::size_t>(cell)]));
}

void label_variants(const AnalysisInput& input, const AnalysisOptions& options, Prepared& data) {
    data.loss = options.loss == LossChoice::final ? input.loss_final : input.loss_best;
    std::vector<double> of_study;
    for (std::size_t v = 0; v < data.loss.size(); ++v) {
        if (input.status[v] == "failed") data.loss[v] = nan;  // no result: neither good nor bad, and not in the median
        else of_study.push_back(data.loss[v]);
    }
    find_architectures(input, data);
    data.median_loss = median(of_study);
    data.threshold = options.threshold.value_or(data.median_loss);
    data.loss_threshold.assign(data.loss.size(), data.threshold);
    if (options.label == LabelReference::architecture) data.loss_threshold = data.cell_median;
    for (std::size_t v = 0; v < data.loss.size(); ++v) data.label.push_back(data.loss[v] < data.loss_threshold[v]);  // NaN: 0
}

void fill_epoch_losses(const AnalysisInput& input, Prepared& data) {
    const std::size_t epochs = input.epochs.size();
    data.epoch_loss.assign(input.variant.size() * epochs, nan);
    if (input.loss.empty()) return;
    for (std::size_t e = 0; e < epochs; ++e) {
        bool measured = false;
        for (std::size_t row = e; row < input.loss.size(); row += epochs) measured = measured || !std::isnan(input.loss[row]);
        for (std::size_t row = e; measured && row < input.loss.size(); row += epochs) {
            if (input.status[row / epochs] == "failed") continue;
            data.epoch_loss[row] = std::isnan(input.loss[row]) ? infinity : input.loss[row];
        }
    }
}

}  // namespace

Prepared prepare(const AnalysisInput& input, const AnalysisOptions& options) {
    check_sizes(input);
    Prepared data;
    label_variants(input, options, data);
    fill_epoch_losses(input, data);
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
        to_unit(exponents, options.log);
        data.clipped += raise_to_floor(exponents, options.floor);
        const auto i = static_cast<std::size_t>(row);
        std::vector<double> descending = exponents;  // kinds of spectra as published are in the order of columns
        std::sort(descending.begin(), descending.end(), std::greater<>());
        const Statistics of_row = statistics(descending);
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
