#include "aelle/report/examples.hpp"

#include <algorithm>

#include "aelle/base/error.hpp"

namespace aelle::report {
namespace {

bool has_all(const io::H5Reader& file, std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(), [&](const char* name) { return file.has(std::string("example/") + name); });
}

void read_signal(const io::H5Reader& file, int64_t count, Examples& examples) {
    examples.time = file.read<double>("example/time", {-1});
    const auto samples = static_cast<int64_t>(examples.time.size());
    examples.target = file.read<double>("example/target", {count, samples});
    examples.output = file.read<double>("example/output", {count, samples});
}

void read_digits(const io::H5Reader& file, int64_t count, Examples& examples) {
    examples.pixels = file.read<double>("example/inputs", {-1, -1, -1});
    const io::Dims dims = file.dims("example/inputs");
    examples.images = dims[0];
    examples.rows = dims[1];
    examples.columns = dims[2];
    examples.digit = file.read<int64_t>("example/targets", {examples.images});
    examples.probability = file.read<double>("example/probabilities", {count, examples.images, -1});
    examples.classes = file.dims("example/probabilities")[2];
}

void read_text(const io::H5Reader& file, int64_t count, Examples& examples) {
    examples.vocabulary = file.read_strings("example/vocabulary");
    examples.next = file.read<int64_t>("example/targets", {-1, -1});
    const io::Dims dims = file.dims("example/targets");
    examples.windows = dims[0];
    examples.steps = dims[1];
    examples.likely = file.read<int64_t>("example/likely_symbols", {count, examples.windows, examples.steps, -1});
    examples.places = file.dims("example/likely_symbols")[3];
    examples.likely_probability =
        file.read<double>("example/likely_probabilities", {count, examples.windows, examples.steps, examples.places});
    const auto size = static_cast<int64_t>(examples.vocabulary.size());
    for (const auto* symbols : {&examples.next, &examples.likely}) {
        for (const int64_t symbol : *symbols) {
            if (symbol >= 0 && symbol < size) continue;
            throw DataError(file.file().string() + ": example/targets, example/likely_symbols: found " + std::to_string(symbol) +
                            ", expected a place in the vocabulary of " + std::to_string(size) + " characters");
        }
    }
}

}  // namespace

Examples read_examples(const io::H5Reader& file) {
    Examples examples;
    if (!has_all(file, {"variant", "loss"})) return examples;
    const auto variant = file.read<int64_t>("example/variant", {-1});
    const auto count = static_cast<int64_t>(variant.size());
    if (has_all(file, {"time", "target", "output"})) read_signal(file, count, examples);
    else if (has_all(file, {"inputs", "targets", "probabilities"})) read_digits(file, count, examples);
    else if (has_all(file, {"vocabulary", "targets", "likely_symbols", "likely_probabilities"})) read_text(file, count, examples);
    else return examples;
    examples.variant = variant;
    examples.loss = file.read<double>("example/loss", {count});
    return examples;
}

}  // namespace aelle::report
