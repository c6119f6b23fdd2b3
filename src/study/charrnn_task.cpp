#include "aelle/study/charrnn_task.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "scales.hpp"

namespace aelle::study {
namespace {

constexpr int64_t likeliest = 5;  ///< characters shown at each step

int64_t read_window(TomlTable& root) { return root.table("data").integer("window", 100, 1, 100'000); }  // [P]: 100 in, 1 out

}  // namespace

CharrnnTask::CharrnnTask(TomlTable& root, const StudyConfig& config)
    : BpttTask(root, config, {.learning_rate = 2e-3, .batch = 32, .batch_fraction = 0.2}, read_window(root)),  // cells.md 1.9
      window_(read_window(root)) {
    validation_ = table_.real("validation", 0.1, 1e-6, 0.99);
    every_step_ = table_.choice("loss", "last", {"last", "every"}) == "every";
}

void CharrnnTask::load(const std::filesystem::path& folder, BpttData& data) {
    text_ = tasks::read_text(folder);
    const auto length = static_cast<int64_t>(text_.symbols.size());
    data.training = data.validation = tasks::text_windows(text_, 0, length, window_, every_step_);
    data.examples = every_step_ ? data.training : tasks::text_windows(text_, 0, length, window_, true);
    const int64_t windows = data.training->size();
    const auto held = static_cast<int64_t>(validation_ * static_cast<double>(windows));
    if (held < example_count() || held == windows) {
        table_.fail("validation", "found a share of " + std::to_string(held) + " of the text's " + std::to_string(windows) +
                                      " windows, expected at least the " + std::to_string(example_count()) + " that study.h5 shows as examples, and "
                                      "one for training");
    }
    data.training_indices = counting(windows - held);
    data.validation_indices = data.example_indices = counting(held, windows - held);
}

std::vector<ExampleField> CharrnnTask::example_fields() const {
    const io::Dims dims{example_count(), window_, std::min(likeliest, static_cast<int64_t>(text_.vocabulary.size()))};
    const std::vector<std::string> axes{"window", "step", "place"};
    return {{"likely_symbols", dims, axes, "likeliest next characters, likeliest first, as positions in the vocabulary", true},
            {"likely_probabilities", dims, axes, "their probabilities"}};
}

std::vector<std::vector<double>> CharrnnTask::example_values(MatrixView<const float> probabilities) const {
    std::vector<double> symbols, values;
    const int64_t windows = example_count();
    std::vector<int64_t> order = counting(probabilities.rows);
    const auto shown = static_cast<std::ptrdiff_t>(std::min(likeliest, probabilities.rows));
    for (int64_t window = 0; window < windows; ++window) {
        for (int64_t step = 0; step < window_; ++step) {
            const float* column = probabilities.column(step * windows + window);
            const auto rank = [column](int64_t symbol) { return std::isnan(column[symbol]) ? 1.0f : -column[symbol]; };
            std::iota(order.begin(), order.end(), 0);
            std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                              [&](int64_t a, int64_t b) { return std::pair(rank(a), a) < std::pair(rank(b), b); });
            for (std::ptrdiff_t place = 0; place < shown; ++place) {
                symbols.push_back(static_cast<double>(order[static_cast<std::size_t>(place)]));
                values.push_back(column[order[static_cast<std::size_t>(place)]]);
            }
        }
    }
    return {symbols, values};
}

void CharrnnTask::write_shared_examples(io::H5Writer& file) const {
    const std::vector<int64_t>& windows = data().example_indices;
    const auto count = static_cast<int64_t>(windows.size());
    write_scale(file, "example/window", windows, "number among the windows of the text, from 0");
    write_scale(file, "example/step", counting(window_), "step");
    write_scale(file, "example/place", counting(example_fields().front().dims.back()), "place by probability");
    write_scale(file, "example/symbol", counting(static_cast<int64_t>(text_.vocabulary.size())), "position in the vocabulary");
    file.write_strings("example/vocabulary", text_.vocabulary, {static_cast<int64_t>(text_.vocabulary.size())});
    file.attach_scale("example/vocabulary", 0, "example/symbol");
    learn::Minibatch batch;
    data().examples->gather(windows, batch);
    std::vector<std::string> texts(windows.size());
    std::vector<int32_t> inputs, targets;
    for (int64_t window = 0; window < count; ++window) {
        for (int64_t step = 0; step < window_; ++step) {
            const auto column = static_cast<std::size_t>(step * count + window);
            inputs.push_back(batch.symbols[column]);
            targets.push_back(batch.targets[column]);
            texts[static_cast<std::size_t>(window)] += text_.vocabulary[static_cast<std::size_t>(batch.symbols[column])];
        }
    }
    file.write_strings("example/text", texts, {count});
    file.attach_scale("example/text", 0, "example/window");
    for (const auto& [name, values] : {std::pair{"example/inputs", &inputs}, std::pair{"example/targets", &targets}}) {
        file.write(name, *values, {count, window_});
        file.attach_scale(name, 0, "example/window");
        file.attach_scale(name, 1, "example/step");
    }
    file.attribute("example/inputs", "long_name", std::string("characters read"));
    file.attribute("example/targets", "long_name", std::string("the character after each"));
}

}  // namespace aelle::study
