#include "aelle/embed/model.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/embed/spectra.hpp"
#include "aelle/io/format.hpp"
#include "aelle/io/h5.hpp"
#include "one_thread.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class E>
E read_choice(const io::H5Reader& file, const std::string& object, const std::string& name) {
    const std::string text = file.text(object, name);
    try {
        return from_name<E>(text);
    } catch (const DataError& error) {
        throw DataError(file.file().string() + ": " + object + ", attribute " + name + ": " + error.what());
    }
}

struct StoredLayer {
    int64_t outputs = 0, inputs = 0;
    std::vector<float> weight, bias;  ///< (outputs, inputs) row-major, (outputs)
};

StoredLayer read_layer(const io::H5Reader& file, const std::string& name) {
    StoredLayer layer;
    const io::Dims dims = file.dims(name + "/weight");
    if (dims.size() != 2 || dims[0] < 1 || dims[1] < 1) {
        throw DataError(file.file().string() + ": " + name + "/weight: found " + std::to_string(dims.size()) +
                        " dimensions or an empty one, expected (outputs, inputs)");
    }
    layer.outputs = dims[0];
    layer.inputs = dims[1];
    layer.weight = file.read<float>(name + "/weight");
    layer.bias = file.read<float>(name + "/bias", {layer.outputs});
    return layer;
}

void copy_layer(const io::H5Reader& file, const std::string& name, const StoredLayer& stored, const Autoencoder<float>::Layer& layer,
                std::vector<float>& parameters) {
    if (stored.outputs != layer.outputs || stored.inputs != layer.inputs) {
        throw DataError(file.file().string() + ": " + name + "/weight: found shape (" + std::to_string(stored.outputs) + ", " +
                        std::to_string(stored.inputs) + "), expected (" + std::to_string(layer.outputs) + ", " + std::to_string(layer.inputs) + ")");
    }
    for (int64_t i = 0; i < layer.outputs; ++i) {
        for (int64_t j = 0; j < layer.inputs; ++j) {
            parameters[static_cast<std::size_t>(layer.weight + i + j * layer.outputs)] =
                stored.weight[static_cast<std::size_t>(i * layer.inputs + j)];
        }
    }
    std::copy(stored.bias.begin(), stored.bias.end(), parameters.begin() + layer.bias);
}

/// All layers are read before a network of their sizes is made: what the file holds bounds the memory.
Autoencoder<float> read_autoencoder(const io::H5Reader& file, int64_t length) {
    const auto name = [](std::size_t l) { return "autoencoder/layer_" + std::to_string(l); };
    std::vector<StoredLayer> stored;
    while (file.has(name(stored.size()))) stored.push_back(read_layer(file, name(stored.size())));
    const double latent_layer = file.number("autoencoder", "latent_layer");
    if (!(latent_layer >= 0.0) || static_cast<double>(stored.size()) != 2.0 * (latent_layer + 1.0) || stored.front().inputs != length) {
        throw DataError(file.file().string() + ": autoencoder: found " + std::to_string(stored.size()) + " layers and latent_layer " +
                        rounded(latent_layer, 6) + ", expected as many layers after it as up to it, the first on spectra of length " +
                        std::to_string(length));
    }
    const auto latent = static_cast<std::size_t>(latent_layer);
    std::vector<int64_t> hidden;
    for (std::size_t l = 0; l < latent; ++l) hidden.push_back(stored[l].outputs);
    Autoencoder<float> net(length, hidden, stored[latent].outputs);
    for (std::size_t l = 0; l < stored.size(); ++l) copy_layer(file, name(l), stored[l], net.layers()[l], net.parameters());
    copy_layer(file, "autoencoder/predictor", read_layer(file, "autoencoder/predictor"), net.predictor(), net.parameters());
    return net;
}

Pca read_pca(const io::H5Reader& file, int64_t size) {
    Pca pca;
    pca.mean = file.read<double>("pca/mean", {size});
    pca.variance = file.read<double>("pca/variance", {size});
    const auto axes = file.read<double>("pca/axes", {size, size});  // an axis a row: column-major, an axis a column
    pca.axes = Matrix<double>(size, size);
    std::copy(axes.begin(), axes.end(), pca.axes.data());
    return pca;
}

std::vector<Threshold> read_boundaries(const io::H5Reader& file, const std::string& classifier, int64_t epochs) {
    const std::vector<std::string> names = file.read_strings("classifier");
    const auto found = std::find(names.begin(), names.end(), classifier);
    if (found == names.end()) throw DataError(file.file().string() + ": classifier: found no '" + classifier + "', expected it among the names");
    const auto count = static_cast<int64_t>(names.size());
    const auto boundary = file.read<double>("boundary", {count, -1, epochs});
    const auto side = file.read<int32_t>("side", {count, -1, epochs});
    const int64_t repeats = file.dims("boundary")[1];
    if (repeats < 1 || side.size() != boundary.size()) {
        throw DataError(file.file().string() + ": boundary, side: found " + std::to_string(boundary.size()) + " and " + std::to_string(side.size()) +
                        " values, expected as many, of at least one repeat");
    }
    std::vector<Threshold> thresholds;
    const auto first = static_cast<std::size_t>((found - names.begin()) * repeats * epochs);  // repeat 0
    for (std::size_t e = 0; e < static_cast<std::size_t>(epochs); ++e) thresholds.push_back({boundary[first + e], side[first + e]});
    return thresholds;
}

}  // namespace

Matrix<double> latent_vectors(const Autoencoder<float>& net, MatrixView<const double> scaled) {
    Matrix<double> latent(net.latent(), scaled.cols);
    Matrix<float> one(scaled.rows, 1);
    for (int64_t j = 0; j < scaled.cols; ++j) {
        std::transform(scaled.column(j), scaled.column(j) + scaled.rows, one.data(), [](double x) { return static_cast<float>(x); });
        const Matrix<float> code = net.encode(std::as_const(one).view());
        std::copy_n(code.data(), code.rows(), latent.column(j));
    }
    return latent;
}

Matrix<double> components(const Pca& pca, MatrixView<const double> latent) {
    Matrix<double> result(latent.rows, latent.cols);
    for (int64_t j = 0; j < latent.cols; ++j) {
        const Matrix<double> one = pca.project(latent.columns(j, 1), latent.rows);
        std::copy_n(one.data(), one.rows(), result.column(j));
    }
    return result;
}

std::vector<double> predicted_losses(const Autoencoder<float>& net, const TargetScaler& scaler, MatrixView<const double> latent) {
    Matrix<float> single(latent.rows, latent.cols);
    for (int64_t j = 0; j < latent.cols; ++j) {
        for (int64_t i = 0; i < latent.rows; ++i) single(i, j) = static_cast<float>(latent(i, j));
    }
    std::vector<double> losses;
    for (const float prediction : net.predict(std::as_const(single).view())) losses.push_back(scaler.invert(prediction));
    return losses;
}

int64_t Model::boundary_index(std::optional<int64_t> epoch) const {
    const auto last = static_cast<int64_t>(epochs.size()) - 1;
    if (!epoch || !boundary_each_epoch) return last;
    const auto found = std::find(epochs.begin(), epochs.end(), *epoch);
    if (found != epochs.end()) return found - epochs.begin();
    std::vector<std::string> known;
    for (const int64_t e : epochs) known.push_back(std::to_string(e));
    throw DataError("epoch: found " + std::to_string(*epoch) + ", expected one that the model has a boundary for: " + join(known, ", "));
}

Model read_model(const std::filesystem::path& path) {
    const io::H5Reader file(path);
    io::check_format_version(file);
    Model model;
    model.length = static_cast<int64_t>(file.number("/", "length"));
    model.interpolation = read_choice<Interpolation>(file, "/", "analysis.interpolation");
    if (file.attribute("/", "spectrum_kind")) model.kind = file.text("/", "spectrum_kind");
    if (file.attribute("/", "leading_exponents")) model.leading = static_cast<int64_t>(file.number("/", "leading_exponents"));
    model.log = read_choice<LogBase>(file, "/", "analysis.log");
    model.floor = file.number("/", "analysis.floor");
    model.boundary_each_epoch = read_choice<BoundaryEpochs>(file, "/", "analysis.boundaries") == BoundaryEpochs::each;
    model.threshold = file.number("/", "threshold");
    const auto spectrum = file.read<double>("transform/spectrum", {3});
    model.spectrum_scaler = {read_choice<SpectrumTransform>(file, "transform/spectrum", "transform"), spectrum[0], spectrum[1], spectrum[2]};
    const auto target = file.read<double>("transform/target", {3});
    model.target_scaler = {read_choice<TargetTransform>(file, "transform/target", "transform"), target[0], target[1], target[2]};
    model.net = read_autoencoder(file, model.length);
    model.pca = read_pca(file, model.net.latent());
    model.epochs = file.read<int64_t>("epoch", {-1});
    if (model.epochs.empty()) throw DataError(path.string() + ": epoch: found none, expected at least one");
    const auto epochs = static_cast<int64_t>(model.epochs.size());
    model.by_component = read_boundaries(file, "aelle-pc1", epochs);
    model.by_predicted_loss = read_boundaries(file, "aelle-prediction", epochs);
    return model;
}

Placement apply(const Model& model, std::span<const std::vector<double>> spectra, int64_t boundary_index) {
    const OneThread one_thread;
    std::vector<std::size_t> usable;
    for (std::size_t i = 0; i < spectra.size(); ++i) {
        if (is_usable(spectra[i])) usable.push_back(i);
    }
    Matrix<double> common(model.length, static_cast<int64_t>(usable.size()));
    for (std::size_t j = 0; j < usable.size(); ++j) {
        std::vector<double> exponents = spectra[usable[j]];
        to_unit(exponents, model.log);
        raise_to_floor(exponents, model.floor);
        const std::vector<double> samples = interpolate(exponents, model.length, model.interpolation);
        std::copy(samples.begin(), samples.end(), common.column(static_cast<int64_t>(j)));
    }
    const Matrix<double> scaled = model.spectrum_scaler.apply(std::as_const(common).view());
    const Matrix<double> latent = latent_vectors(model.net, scaled.view());
    const Matrix<double> pc = components(model.pca, latent.view());
    const std::vector<double> losses = predicted_losses(model.net, model.target_scaler, latent.view());

    const auto d = static_cast<std::size_t>(model.net.latent());
    Placement placement;
    placement.latent.assign(spectra.size() * d, nan);
    placement.pc.assign(spectra.size() * d, nan);
    placement.predicted_loss.assign(spectra.size(), nan);
    placement.positive.assign(spectra.size(), -1);
    placement.positive_by_prediction.assign(spectra.size(), -1);
    const auto& by_component = model.by_component[static_cast<std::size_t>(boundary_index)];
    const auto& by_loss = model.by_predicted_loss[static_cast<std::size_t>(boundary_index)];
    for (std::size_t j = 0; j < usable.size(); ++j) {
        const std::size_t row = usable[j];
        const auto column = static_cast<int64_t>(j);
        std::copy_n(latent.column(column), d, placement.latent.begin() + static_cast<std::ptrdiff_t>(row * d));
        std::copy_n(pc.column(column), d, placement.pc.begin() + static_cast<std::ptrdiff_t>(row * d));
        placement.predicted_loss[row] = losses[j];
        placement.positive[row] = by_component.positive(pc(0, column)) ? 1 : 0;
        placement.positive_by_prediction[row] = by_loss.positive(losses[j]) ? 1 : 0;
    }
    return placement;
}

}  // namespace aelle::embed
