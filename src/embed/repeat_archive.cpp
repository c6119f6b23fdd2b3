// Repeats as bytes, to travel between ranks.

#include "aelle/embed/analysis.hpp"

namespace aelle::embed {
namespace {

// Member by member: padding inside the structures would make equal repeats differ.
template <class Archive, class Spectrum, class Target>
void transfer_scalers(Archive& archive, Spectrum& spectrum, Target& target) {
    archive.value(spectrum.transform);
    archive.value(spectrum.scale);
    archive.value(spectrum.shift);
    archive.value(spectrum.factor);
    archive.value(target.transform);
    archive.value(target.cap);
    archive.value(target.shift);
    archive.value(target.factor);
}

template <class Archive, class Curve>
void transfer_curve(Archive& archive, Curve& curve) {
    archive.array(curve.step);
    archive.array(curve.reconstruction_train);
    archive.array(curve.reconstruction_validation);
    archive.array(curve.prediction_train);
    archive.array(curve.prediction_validation);
}

template <class Archive, class Result>
void transfer_decisions(Archive& archive, Result& result) {
    archive.value(result.repeat);
    archive.array(result.split);
    archive.array(result.spectrum_split);
    archive.array(result.score);
    archive.array(result.positive);
    archive.array(result.boundary);
    archive.array(result.side);
    archive.array(result.control_positive);
}

/// What the model says of the spectra.
template <class Archive, class Model>
void transfer_places(Archive& archive, Model& model) {
    archive.array(model.latent);
    archive.array(model.pc);
    archive.array(model.predicted_loss);
    archive.array(model.le_pc);
    archive.array(model.interpretation.weight);
    archive.array(model.interpretation.deviation);
    archive.array(model.interpretation.share);
    archive.array(model.interpretation.spectrum);
    archive.array(model.interpretation.prediction);
    archive.array(model.interpretation.encoded_prediction);
}

void save(ArchiveWriter& archive, const Pca& pca) {
    archive.array(pca.mean);
    archive.array(pca.variance);
    for (int64_t j = 0; j < pca.axes.cols(); ++j) {
        for (int64_t i = 0; i < pca.axes.rows(); ++i) archive.value(pca.axes(i, j));
    }
}

void load(ArchiveReader& archive, Pca& pca) {
    archive.array(pca.mean);
    archive.array(pca.variance);
    const auto size = static_cast<int64_t>(pca.mean.size());
    pca.axes = Matrix<double>(size, size);
    for (int64_t j = 0; j < size; ++j) {
        for (int64_t i = 0; i < size; ++i) archive.value(pca.axes(i, j));
    }
}

void save(ArchiveWriter& archive, const TrainedAutoencoder& trained) {
    const auto& layers = trained.net.layers();
    std::vector<int64_t> hidden;
    for (int64_t l = 0; l < trained.net.latent_layer(); ++l) hidden.push_back(layers[static_cast<std::size_t>(l)].outputs);
    archive.value(trained.net.input());
    archive.array(hidden);
    archive.value(trained.net.latent());
    archive.array(trained.net.parameters());
    archive.value(trained.step);
    transfer_curve(archive, trained.curve);
}

void load(ArchiveReader& archive, TrainedAutoencoder& trained) {
    const auto input = archive.value<int64_t>();
    std::vector<int64_t> hidden;
    archive.array(hidden);
    const auto latent = archive.value<int64_t>();
    trained.net = Autoencoder<float>(input, hidden, latent);
    archive.array(trained.net.parameters());
    archive.value(trained.step);
    transfer_curve(archive, trained.curve);
}

}  // namespace

void RepeatResult::save(ArchiveWriter& archive) const {
    transfer_decisions(archive, *this);
    archive.value(static_cast<uint8_t>(model.has_value()));
    if (!model) return;
    transfer_scalers(archive, model->spectrum_scaler, model->target_scaler);
    embed::save(archive, model->autoencoder);
    embed::save(archive, model->pca);
    embed::save(archive, model->le_pca);
    transfer_places(archive, *model);
}

void RepeatResult::load(ArchiveReader& archive) {
    transfer_decisions(archive, *this);
    model.reset();
    if (archive.value<uint8_t>() == 0) return;
    model.emplace();
    transfer_scalers(archive, model->spectrum_scaler, model->target_scaler);
    embed::load(archive, model->autoencoder);
    embed::load(archive, model->pca);
    embed::load(archive, model->le_pca);
    transfer_places(archive, *model);
}

}  // namespace aelle::embed
