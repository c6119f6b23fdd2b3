#include "aelle/study/smnist_task.hpp"

#include <algorithm>

#include "aelle/tasks/smnist.hpp"
#include "scales.hpp"

namespace aelle::study {
namespace {

constexpr int64_t side = 28, digits = 10;

}  // namespace

SmnistTask::SmnistTask(TomlTable& root, const StudyConfig& config)
    : BpttTask(root, config, {.learning_rate = 1e-2, .batch = 128, .batch_fraction = 1.0}, side) {  // cells.md 1.9
    train_ = table_.integer_or_auto("train", 1, 1'000'000);
    validation_ = table_.integer("validation", 10'000, 1, 1'000'000);
}

void SmnistTask::load(const std::filesystem::path& folder, BpttData& data) {
    data.training = data.validation = data.examples = tasks::read_smnist(folder, tasks::MnistFile::train);
    const int64_t images = data.training->size();
    if (validation_ + std::max<int64_t>(1, train_) > images) {
        table_.fail(train_ > 0 ? "train" : "validation", "found " + std::to_string(train_) + " images for training and " +
                                                            std::to_string(validation_) + " for validation, expected at most the " +
                                                            std::to_string(images) + " of the training file together");
    }
    data.training_indices = counting(train_ > 0 ? train_ : images - validation_);
    data.validation_indices = data.example_indices = counting(validation_, images - validation_);
}

std::vector<ExampleField> SmnistTask::example_fields() const {
    return {{"probabilities", {example_count(), digits}, {"image", "digit"}, "probability of each digit after the last step"}};
}

std::vector<std::vector<double>> SmnistTask::example_values(MatrixView<const float> probabilities) const {
    std::vector<double> values;
    for (int64_t image = 0; image < probabilities.cols; ++image) {
        const float* column = probabilities.column(image);
        values.insert(values.end(), column, column + probabilities.rows);
    }
    return {values};
}

void SmnistTask::write_shared_examples(io::H5Writer& file) const {
    const std::vector<int64_t>& images = data().example_indices;
    const auto count = static_cast<int64_t>(images.size());
    write_scale(file, "example/image", images, "number in the training file, from 0");
    write_scale(file, "example/row", counting(side), "row, which is the step");
    write_scale(file, "example/column", counting(side), "column");
    write_scale(file, "example/digit", counting(digits), "class");
    learn::Minibatch batch;
    data().examples->gather(images, batch);
    std::vector<float> inputs;
    for (int64_t image = 0; image < count; ++image) {
        for (int64_t row = 0; row < side; ++row) {
            const auto first = batch.values.begin() + (row * count + image) * side;
            inputs.insert(inputs.end(), first, first + side);
        }
    }
    file.write("example/inputs", inputs, {count, side, side});
    int axis = 0;
    for (const char* name : {"image", "row", "column"}) file.attach_scale("example/inputs", axis++, "example/" + std::string(name));
    file.attribute("example/inputs", "long_name", std::string("grey level, 0 to 1"));
    file.write("example/targets", batch.targets, {count});
    file.attach_scale("example/targets", 0, "example/image");
    file.attribute("example/targets", "long_name", std::string("digit to predict"));
}

}  // namespace aelle::study
