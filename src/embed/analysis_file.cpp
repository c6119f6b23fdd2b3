#include "aelle/embed/analysis_file.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/format.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::embed {
namespace {

using Scales = std::vector<std::string>;

void label(io::H5Writer& file, const std::string& name, const Scales& scales, const std::string& units, const std::string& long_name) {
    for (std::size_t axis = 0; axis < scales.size(); ++axis) {
        file.attach_scale(name, static_cast<int>(axis), scales[axis]);
    }
    file.attribute(name, "units", units);
    file.attribute(name, "long_name", long_name);
}

template <class T>
void write(io::H5Writer& file, const std::string& name, const std::vector<T>& values, const io::Dims& dims, const Scales& scales,
           const std::string& units, const std::string& long_name) {
    file.write(name, values, dims);
    label(file, name, scales, units, long_name);
}

void write_scale(io::H5Writer& file, const std::string& name, const std::vector<int64_t>& values, const std::string& long_name) {
    file.write(name, values, {static_cast<int64_t>(values.size())});
    file.make_scale(name, name);
    file.attribute(name, "units", std::string("1"));
    file.attribute(name, "long_name", long_name);
}

std::vector<int64_t> counting(int64_t count) {
    std::vector<int64_t> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), int64_t{0});
    return values;
}

/// Row-major transpose: axis j becomes row j.
template <class T>
std::vector<T> columns_as_rows(MatrixView<const T> matrix) {
    std::vector<T> values;
    for (int64_t j = 0; j < matrix.cols; ++j) values.insert(values.end(), matrix.column(j), matrix.column(j) + matrix.rows);
    return values;
}

template <class T>
std::vector<T> rows_of(MatrixView<const T> matrix) {
    std::vector<T> values;
    for (int64_t i = 0; i < matrix.rows; ++i) {
        for (int64_t j = 0; j < matrix.cols; ++j) values.push_back(matrix(i, j));
    }
    return values;
}

struct Sizes {
    int64_t variants, epochs, repeats, classifiers, latent, length;
    std::string exponent_unit;
};

void write_scales(io::H5Writer& file, const AnalysisInput& input, const Analysis& analysis, const Sizes& n) {
    write_scale(file, "variant", input.variant, "number of the variant in the study's order");
    write_scale(file, "epoch", input.epochs, "training epochs before the spectrum");
    write_scale(file, "repeat", counting(n.repeats), "random split");
    write_scale(file, "component", counting(n.latent), "latent unit or principal component");
    write_scale(file, "position", counting(n.length), "place in the spectrum of common length");
    write_scale(file, "plane_axis", counting(2), "axis of a plane of two principal components");
    file.write_strings("classifier", analysis.classifier, {n.classifiers});
    file.make_scale("classifier", "classifier");
    file.attribute("classifier", "long_name", std::string("name of the classifier"));
}

void write_variants(io::H5Writer& file, const AnalysisInput& input, const Analysis& analysis, const Sizes& n) {
    const Scales v{"variant"}, ve{"variant", "epoch"};
    write(file, "loss", analysis.loss, {n.variants}, v, "1", "loss that labels are made from");
    write(file, "label", analysis.label, {n.variants}, v, "1", "1 = high accuracy: loss below the threshold");
    write(file, "init", input.init, {n.variants}, v, "1", "initialisation parameter");
    write(file, "usable", analysis.usable, {n.variants, n.epochs}, ve, "1", "0 where the spectrum is not finite and left out");
    const io::Dims dims{n.variants, n.epochs};
    write(file, "statistic/mean", analysis.mean, dims, ve, n.exponent_unit, "mean exponent");
    write(file, "statistic/max", analysis.maximum, dims, ve, n.exponent_unit, "largest exponent");
    write(file, "statistic/std", analysis.deviation, dims, ve, n.exponent_unit, "standard deviation of the exponents");
    write(file, "statistic/kaplan_yorke", analysis.kaplan_yorke, dims, ve, "1", "Kaplan-Yorke dimension");
}

/// Values of all repeats, from (R)(C, inner) to (C, R, inner).
template <class To, class Member>
std::vector<To> by_classifier(const std::vector<RepeatResult>& repeats, const Sizes& n, int64_t inner, Member member) {
    std::vector<To> values;
    for (int64_t c = 0; c < n.classifiers; ++c) {
        for (const RepeatResult& repeat : repeats) {
            const auto& of_repeat = repeat.*member;
            require(static_cast<int64_t>(of_repeat.size()) == n.classifiers * inner, "a repeat has values of every classifier");
            values.insert(values.end(), of_repeat.begin() + c * inner, of_repeat.begin() + (c + 1) * inner);
        }
    }
    return values;
}

void write_repeats(io::H5Writer& file, const Analysis& analysis, const Sizes& n) {
    std::vector<int32_t> split;
    for (const RepeatResult& repeat : analysis.repeats) split.insert(split.end(), repeat.split.begin(), repeat.split.end());
    write(file, "split", split, {n.repeats, n.variants}, {"repeat", "variant"}, "1", "0 training, 1 validation, 2 test, -1 left out");
    if (!analysis.repeats.front().spectrum_split.empty()) {
        split.clear();
        for (const RepeatResult& repeat : analysis.repeats) split.insert(split.end(), repeat.spectrum_split.begin(), repeat.spectrum_split.end());
        write(file, "spectrum_split", split, {n.repeats, n.variants, n.epochs}, {"repeat", "variant", "epoch"}, "1",
              "split by spectrum, which leaks: 0 training, 1 validation, 2 test, -1 left out");
    }
    const io::Dims every{n.classifiers, n.repeats, n.variants, n.epochs}, boundaries{n.classifiers, n.repeats, n.epochs};
    const Scales crve{"classifier", "repeat", "variant", "epoch"}, cre{"classifier", "repeat", "epoch"};
    const int64_t spectra = n.variants * n.epochs;
    write(file, "score", by_classifier<double>(analysis.repeats, n, spectra, &RepeatResult::score), every, crve, "1",
          "number that the classifier decides on");
    write(file, "positive", by_classifier<int32_t>(analysis.repeats, n, spectra, &RepeatResult::positive), every, crve, "1",
          "1 called good, 0 called bad, -1 left out");
    write(file, "boundary", by_classifier<double>(analysis.repeats, n, n.epochs, &RepeatResult::boundary), boundaries, cre, "1",
          "boundary on the score; NaN where there is none");
    write(file, "side", by_classifier<int32_t>(analysis.repeats, n, n.epochs, &RepeatResult::side), boundaries, cre, "1",
          "1: good above the boundary, -1: good at or below it, 0: no boundary");
}

/// The two controls, as groups like the main datasets.
void write_controls(io::H5Writer& file, const Analysis& analysis, const Sizes& n) {
    const int64_t spectra = n.variants * n.epochs;
    if (!analysis.control_label.empty()) {
        write(file, "control/label", analysis.control_label, {n.variants}, {"variant"}, "1", "1 = loss below the median of the own architecture");
        write(file, "control/positive", by_classifier<int32_t>(analysis.repeats, n, spectra, &RepeatResult::control_positive),
              {n.classifiers, n.repeats, n.variants, n.epochs}, {"classifier", "repeat", "variant", "epoch"}, "1",
              "1 called good, 0 called bad, -1 left out, for labels by architecture");
    }
    if (analysis.held_out.empty()) return;
    const auto count = static_cast<int64_t>(analysis.held_out.size());
    file.write_strings("held_out/cell", analysis.held_out, {count});
    file.make_scale("held_out/cell", "architecture left out");
    file.attribute("held_out/cell", "long_name", std::string("architecture left out of training and tested on"));
    std::vector<int32_t> split;
    for (const RepeatResult& result : analysis.held_out_results) split.insert(split.end(), result.split.begin(), result.split.end());
    write(file, "held_out/split", split, {count, n.variants}, {"held_out/cell", "variant"}, "1", "0 training, 1 validation, 2 test, -1 left out");
    write(file, "held_out/positive", by_classifier<int32_t>(analysis.held_out_results, n, spectra, &RepeatResult::positive),
          {n.classifiers, count, n.variants, n.epochs}, {"classifier", "held_out/cell", "variant", "epoch"}, "1",
          "1 called good, 0 called bad, -1 left out");
}

void write_pca(io::H5Writer& file, const std::string& group, const std::string& scale, const Pca& pca, const std::string& of) {
    const auto size = static_cast<int64_t>(pca.mean.size());
    write(file, group + "/mean", pca.mean, {size}, {scale}, "1", "mean of " + of);
    write(file, group + "/axes", columns_as_rows(pca.axes.view()), {size, size}, {}, "1", "principal axes of " + of + ", one a row");
    write(file, group + "/variance", pca.variance, {size}, {}, "1", "variance along each axis");
}

void write_layer(io::H5Writer& file, const std::string& name, const Autoencoder<float>& net, const Autoencoder<float>::Layer& layer) {
    const MatrixView<const float> weight{net.parameters().data() + layer.weight, layer.outputs, layer.inputs, layer.outputs};
    const auto* bias = net.parameters().data() + layer.bias;
    file.write(name + "/weight", rows_of(weight), {layer.outputs, layer.inputs});
    file.write(name + "/bias", std::vector<float>(bias, bias + layer.outputs), {layer.outputs});
    file.attribute(name, "activation", std::string(layer.tanh ? "tanh" : "linear"));
}

void write_model(io::H5Writer& file, const FittedModel& model, const Sizes& n) {
    const Scales ved{"variant", "epoch", "component"};
    const io::Dims dims{n.variants, n.epochs, n.latent};
    write(file, "latent", model.latent, dims, ved, "1", "latent vectors of repeat 0");
    write(file, "pc", model.pc, dims, ved, "1", "principal components of the latent vectors of repeat 0");
    write(file, "predicted_loss", model.predicted_loss, {n.variants, n.epochs}, {"variant", "epoch"}, "1", "loss predicted by the autoencoder");
    write(file, "le_pc", model.le_pc, {n.variants, n.epochs, 2}, {"variant", "epoch", "plane_axis"}, "1", "principal components of the spectra");
    write_pca(file, "pca", "component", model.pca, "latent vectors");
    write_pca(file, "le_pca", "position", model.le_pca, "spectra");

    const Autoencoder<float>& net = model.autoencoder.net;
    for (std::size_t l = 0; l < net.layers().size(); ++l) write_layer(file, "autoencoder/layer_" + std::to_string(l), net, net.layers()[l]);
    write_layer(file, "autoencoder/predictor", net, net.predictor());
    file.attribute("autoencoder", "latent_layer", net.latent_layer());
    file.attribute("autoencoder", "step", model.autoencoder.step);

    const SpectrumScaler& spectrum = model.spectrum_scaler;
    const TargetScaler& target = model.target_scaler;
    file.write("transform/spectrum", std::vector<double>{spectrum.scale, spectrum.shift, spectrum.factor}, {3});
    file.attribute("transform/spectrum", "fields", std::vector<std::string>{"scale", "shift", "factor"});
    file.attribute("transform/spectrum", "transform", name_of(spectrum.transform));
    file.write("transform/target", std::vector<double>{target.cap, target.shift, target.factor}, {3});
    file.attribute("transform/target", "fields", std::vector<std::string>{"cap", "shift", "factor"});
    file.attribute("transform/target", "transform", name_of(target.transform));
}

void write_interpretation(io::H5Writer& file, const Interpretation& found, const Sizes& n) {
    const auto shifts = static_cast<int64_t>(interpretation_shifts.size());
    const std::string group = "interpretation/";
    file.write(group + "shift", std::vector<double>(interpretation_shifts.begin(), interpretation_shifts.end()), {shifts});
    file.make_scale(group + "shift", "shift");
    file.attribute(group + "shift", "long_name", std::string("change of the scaled prediction along the predictor's direction"));
    const Scales d{"component"}, s{group + "shift"};
    write(file, group + "weight", found.weight, {n.latent}, d, "1", "weight of the latent dimension in the predictor");
    write(file, group + "deviation", found.deviation, {n.latent}, d, "1", "standard deviation of the latent dimension over training spectra");
    write(file, group + "share", found.share, {n.latent}, d, "1", "share of the latent dimension in the variance of the predictions");
    write(file, group + "spectrum", found.spectrum, {shifts, n.length}, {group + "shift", "position"}, n.exponent_unit, "decoded spectra");
    write(file, group + "prediction", found.prediction, {shifts}, s, "1", "predicted loss at the latent vector");
    write(file, group + "encoded_prediction", found.encoded_prediction, {shifts}, s, "1", "predicted loss of the decoded spectrum, encoded again");
}

void write_curves(io::H5Writer& file, const LearningCurve& curve) {
    const auto points = static_cast<int64_t>(curve.step.size());
    file.write("curve/step", curve.step, {points});
    file.make_scale("curve/step", "step");
    file.attribute("curve/step", "units", std::string("1"));
    file.attribute("curve/step", "long_name", std::string("updates of the autoencoder"));
    const auto write_curve = [&](const std::string& name, const std::vector<double>& values, const std::string& long_name) {
        write(file, "curve/" + name, values, {points}, {"curve/step"}, "1", long_name);
    };
    write_curve("reconstruction_train", curve.reconstruction_train, "mean reconstruction loss of training spectra");
    write_curve("reconstruction_validation", curve.reconstruction_validation, "mean reconstruction loss of validation spectra");
    write_curve("prediction_train", curve.prediction_train, "mean prediction loss of training spectra");
    write_curve("prediction_validation", curve.prediction_validation, "mean prediction loss of validation spectra");
}

/// Root attributes that record the options, flags as 0 and 1.
std::map<std::string, io::AttributeValue> option_attributes(const AnalysisOptions& o) {
    std::map<std::string, io::AttributeValue> attributes;
    const auto set = [&](const std::string& name, const io::AttributeValue& value) { attributes["analysis." + name] = value; };
    const auto flag = [&](const std::string& name, bool value) { set(name, int64_t{value}); };
    const auto numbers = [](const std::vector<int64_t>& values) { return std::vector<double>(values.begin(), values.end()); };
    set("repeats", o.repeats);
    set("train_fraction", o.train_fraction);
    set("validation_fraction", o.validation_fraction);
    set("split", name_of(o.split));
    flag("leave_one_out", o.leave_one_out);
    if (!o.spectrum.empty()) set("spectrum", o.spectrum);
    set("log", name_of(o.log));
    set("length", o.length);
    set("interpolation", name_of(o.interpolation));
    set("floor", o.floor);
    set("transform", name_of(o.transform));
    set("transform_scale", o.transform_scale);
    flag("standardise", o.standardise);
    set("loss", name_of(o.loss));
    if (o.threshold) set("threshold", *o.threshold);
    set("label", name_of(o.label));
    flag("architecture_control", o.architecture_control);
    set("target", name_of(o.target));
    set("loss_cap", o.loss_cap);
    set("fit", name_of(o.fit));
    set("boundaries", name_of(o.boundaries));
    set("boundary_set", name_of(o.boundary_set));
    set("boundary_rule", name_of(o.boundary_rule));
    set("baseline", name_of(o.baseline));
    set("regressand", name_of(o.regressand));
    set("ridge", o.ridge);
    set("regression_components", o.regression_components);
    set("logistic_penalty", o.logistic_penalty);
    if (o.init_centre) set("init_centre", *o.init_centre);
    const AutoencoderOptions& a = o.autoencoder;
    if (!a.hidden.empty()) set("autoencoder.hidden", numbers(a.hidden));
    set("autoencoder.latent", a.latent);
    set("autoencoder.dropout", a.dropout);
    flag("autoencoder.output_dropout", a.output_dropout);
    set("autoencoder.alpha", a.alpha);
    set("autoencoder.reconstruction_norm", int64_t{a.reconstruction_norm});
    set("autoencoder.prediction_norm", int64_t{a.prediction_norm});
    set("autoencoder.steps", a.steps);
    set("autoencoder.batch", a.batch);
    flag("autoencoder.reshuffle", a.reshuffle);
    set("autoencoder.learning_rate", a.learning_rate);
    flag("autoencoder.keep_best", a.keep_best);
    set("autoencoder.curve_points", a.curve_points);
    return attributes;
}

/// Those that have an attribute only where they are set.
constexpr const char* optional_options[] = {"threshold", "init_centre", "spectrum", "autoencoder.hidden"};

void write_root(io::H5Writer& file, const AnalysisInput& input, const Analysis& analysis) {
    file.attribute("/", "version", build_info().version);
    file.attribute("/", "format_version", format_version);
    file.attribute("/", "seed", static_cast<int64_t>(input.seed));
    file.attribute("/", "threshold", analysis.threshold);
    file.attribute("/", "median_loss", analysis.median_loss);
    file.attribute("/", "length", analysis.length);
    file.attribute("/", "diverged", analysis.diverged);
    file.attribute("/", "failed", analysis.failed);
    file.attribute("/", "left_out", analysis.left_out);
    file.attribute("/", "left_out_spectra", analysis.left_out_spectra);
    file.attribute("/", "clipped", analysis.clipped);
    if (input.leading > 0) file.attribute("/", "leading_exponents", input.leading);
    if (!input.kind.empty()) file.attribute("/", "spectrum_kind", input.kind);
}

}  // namespace

void write_analysis(const std::filesystem::path& path, const AnalysisInput& input, const AnalysisOptions& options, const Analysis& analysis) {
    require(!analysis.repeats.empty() && analysis.repeats.front().model.has_value(), "an analysis has the model of repeat 0");
    const FittedModel& model = *analysis.repeats.front().model;
    const Sizes n{static_cast<int64_t>(input.variant.size()), static_cast<int64_t>(input.epochs.size()),
                  static_cast<int64_t>(analysis.repeats.size()), static_cast<int64_t>(analysis.classifier.size()),
                  model.autoencoder.net.latent(), analysis.length,
                  options.log == LogBase::two ? "bits per step" : "nats per step"};
    io::H5Writer file;
    write_root(file, input, analysis);
    for (const auto& [name, value] : option_attributes(options)) file.attribute("/", name, value);
    write_scales(file, input, analysis, n);
    write_variants(file, input, analysis, n);
    write_repeats(file, analysis, n);
    write_controls(file, analysis, n);
    write_model(file, model, n);
    write_interpretation(file, model.interpretation, n);
    write_curves(file, model.autoencoder.curve);
    file.commit(path);
}

std::vector<std::string> option_names() {
    std::vector<std::string> names(std::begin(optional_options), std::end(optional_options));
    for (const auto& [attribute, value] : option_attributes({})) {
        const std::string name = attribute.substr(std::string("analysis.").size());
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    return names;
}

bool made_with(const std::filesystem::path& path, const AnalysisOptions& options) {
    try {
        const io::H5Reader file(path);
        auto expected = option_attributes(options);
        for (const auto& [name, value] : expected) {
            if (file.attribute("/", name) != value) return false;
        }
        for (const char* optional : optional_options) {
            const std::string name = std::string("analysis.") + optional;
            if (!expected.contains(name) && file.attribute("/", name)) return false;
        }
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace aelle::embed
