#include <algorithm>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/learn/bptt.hpp"
#include "classifier.hpp"
#include "prediction_tally.hpp"

namespace aelle::learn {

void check_fits(const Model& model, const Sequences& data, std::span<const int64_t> indices) {
    const auto check = [](const char* what, int64_t found, int64_t expected) {
        if (found == expected) return;
        throw DataError(std::string(what) + ": found " + std::to_string(found) + " in the network, expected " + std::to_string(expected) +
                        " as in the data");
    };
    check("input features", model.shape.input, data.features());
    check("classes", model.classes, data.classes());
    if (indices.empty()) throw DataError("sequences: found none, expected at least one");
    for (const int64_t index : indices) {
        if (index >= 0 && index < data.size()) continue;
        throw DataError("sequences: found number " + std::to_string(index) + ", expected from 0 to " + std::to_string(data.size() - 1));
    }
}

struct Evaluation::Impl {
    const Sequences& data;
    std::vector<int64_t> indices;
    int64_t batch;
    Classifier<float> classifier;
    int64_t position = 0;
    PredictionTally tally{};
    Minibatch minibatch{};
};

Evaluation::Evaluation(const backend::Backend& backend, const Model& model, const Sequences& data, std::vector<int64_t> indices, int64_t batch) {
    check_fits(model, data, indices);
    if (batch < 1) throw DataError("batch: found " + std::to_string(batch) + ", expected an integer from 1");
    impl_ = std::make_unique<Impl>(Impl{data, std::move(indices), batch, Classifier<float>(backend, model)});
}

Evaluation::~Evaluation() = default;
Evaluation::Evaluation(Evaluation&&) noexcept = default;

bool Evaluation::done() const { return impl_->position == static_cast<int64_t>(impl_->indices.size()); }

void Evaluation::advance() {
    Impl& me = *impl_;
    require(!done(), "an evaluation that is done was advanced");
    const int64_t count = std::min(me.batch, static_cast<int64_t>(me.indices.size()) - me.position);
    me.data.gather({me.indices.data() + me.position, static_cast<std::size_t>(count)}, me.minibatch);
    me.tally.add(me.classifier.forward(me.minibatch.inputs(), me.minibatch.targets));
    me.position += count;
}

double Evaluation::loss() const { return impl_->tally.loss(); }

double Evaluation::accuracy() const { return impl_->tally.accuracy(); }

MatrixView<const float> Evaluation::probabilities() const { return impl_->classifier.probabilities(); }

void Evaluation::save(ArchiveWriter& archive) const {
    archive.value(impl_->position);
    archive.value(impl_->tally);
}

void Evaluation::load(ArchiveReader& archive) {
    const auto position = archive.value<int64_t>();
    const auto tally = archive.value<PredictionTally>();
    if (position < 0 || position > static_cast<int64_t>(impl_->indices.size())) {
        throw DataError("checkpoint: evaluation: found position " + std::to_string(position) + ", expected at most " +
                        std::to_string(impl_->indices.size()));
    }
    impl_->position = position;
    impl_->tally = tally;
}

}  // namespace aelle::learn
