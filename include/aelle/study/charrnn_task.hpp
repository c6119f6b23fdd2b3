#pragma once
/// The next-character study: windows of War and Peace as one-hot characters.
///
/// [data] validation (share of the windows, at the end of the text), window (steps T; a window is T + 1 characters), loss ("last": of the character after the
/// window, as in the paper; "every": of the next one at every step, as in the authors' code).
/// Examples: five windows of validation, the same for all variants, with the five likeliest next characters at every step.

#include <vector>

#include "aelle/study/bptt_task.hpp"
#include "aelle/tasks/charrnn.hpp"

namespace aelle::study {

class CharrnnTask final : public BpttTask {
public:
    CharrnnTask(TomlTable& root, const StudyConfig& config);

    std::vector<ExampleField> example_fields() const override;
    void write_shared_examples(io::H5Writer& file) const override;
    std::vector<std::vector<double>> example_values(MatrixView<const float> probabilities) const override;

private:
    void load(const std::filesystem::path& folder, BpttData& data) override;
    int64_t example_count() const override { return 5; }

    tasks::Text text_;
    double validation_;
    int64_t window_;
    bool every_step_;
};

}  // namespace aelle::study
