#include "aelle/study/task.hpp"

#include <algorithm>
#include <limits>

#include "aelle/base/build_info.hpp"
#include "aelle/learn/weights.hpp"
#include "aelle/lyapunov/kinds.hpp"
#include "aelle/study/charrnn_task.hpp"
#include "aelle/study/signal_task.hpp"
#include "aelle/study/smnist_task.hpp"

namespace aelle::study {

int64_t StudyTask::exponent_count(const Variant& variant, std::size_t kind) const {
    if (config_.spectrum.exponents > 0) return config_.spectrum.exponents;
    return lyapunov::tangent_dimension(lyapunov::find_kind(config_.spectrum.kinds[kind]), cells::find_cell(variant.cell), {variant.hidden, 0});
}

StudyTask::GroupJobs StudyTask::group_jobs(const backend::GroupEngine&, const backend::Backend&, int) const { return nullptr; }

VariantResult StudyTask::blank_result(const Variant& variant) const {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const std::size_t epochs = config_.spectrum.epochs.size();
    VariantResult result;
    result.loss.assign(epochs, nan);
    result.accuracy.assign(epochs, nan);
    result.loss_every_epoch.assign(static_cast<std::size_t>(config_.epochs), nan);
    result.loss_final = result.loss_best = nan;
    for (std::size_t kind = 0; kind < config_.spectrum.kinds.size(); ++kind) {
        const std::size_t count = epochs * static_cast<std::size_t>(exponent_count(variant, kind));
        result.spectra.push_back({std::vector<double>(count, nan), std::vector<uint8_t>(count, 0)});
    }
    for (const ExampleField& field : example_fields()) {
        int64_t count = 1;
        for (const int64_t extent : field.dims) count *= extent;
        result.example.emplace_back(static_cast<std::size_t>(count), field.integer ? -1.0 : nan);
    }
    return result;
}

double StudyTask::weights_size(const Variant& variant) const {
    double count = 0;
    for (const cells::TensorSpec& tensor : cells::find_cell(variant.cell).tensors) {
        count += static_cast<double>(cells::element_count(tensor, shape(variant)));
    }
    return 8.0 * count + 10'000.0;
}

void StudyTask::write_weights(const std::filesystem::path& path, const Variant& variant, const VariantResult& result) const {
    const cells::CellSpec& cell = cells::find_cell(variant.cell);
    const cells::Shape sizes = shape(variant);
    cells::Parameters parameters = scalars(variant);
    io::H5Writer file;
    for (const auto& [name, values] : result.weights) {
        const bool of_cell = std::any_of(cell.tensors.begin(), cell.tensors.end(), [&](const auto& tensor) { return tensor.name == name; });
        const auto count = static_cast<int64_t>(values.size());
        if (of_cell) {
            parameters.tensors[name] = values;
        } else if (name == "fc.weight") {
            file.write(name, values, {count / sizes.hidden, sizes.hidden});
        } else {
            file.write(name, values, count == 1 ? io::Dims{} : io::Dims{count});
        }
    }
    cells::complete(cell, sizes, parameters);
    learn::write_weights(file, cell, sizes, parameters);
    file.attribute("/", "cell", variant.cell);
    file.attribute("/", "task", config_.task);
    file.attribute("/", "variant", variant.id);
    file.attribute("/", "seed", static_cast<int64_t>(variant.seed));
    file.attribute("/", "init", variant.init);
    file.attribute("/", "version", build_info().version);
    file.commit(path);
}

std::unique_ptr<StudyTask> make_task(TomlTable& root, const StudyConfig& config) {
    if (config.task == "smnist") return std::make_unique<SmnistTask>(root, config);
    if (config.task == "charrnn") return std::make_unique<CharrnnTask>(root, config);
    return std::make_unique<SignalTask>(root, config);  // read_config has checked the name
}

}  // namespace aelle::study
