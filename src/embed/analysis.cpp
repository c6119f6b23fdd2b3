#include "aelle/embed/analysis.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "aelle/embed/classifiers.hpp"
#include "aelle/embed/model.hpp"
#include "aelle/embed/split.hpp"
#include "one_thread.hpp"
#include "prepare.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Matrix<double> columns(const Matrix<double>& from, const std::vector<int64_t>& rows) {
    Matrix<double> chosen(from.rows(), static_cast<int64_t>(rows.size()));
    for (std::size_t j = 0; j < rows.size(); ++j) std::copy_n(from.column(rows[j]), from.rows(), chosen.column(static_cast<int64_t>(j)));
    return chosen;
}

Matrix<float> single(const Matrix<double>& from) {
    Matrix<float> to(from.rows(), from.cols());
    std::transform(from.data(), from.data() + from.size(), to.data(), [](double x) { return static_cast<float>(x); });
    return to;
}

struct Samples {
    Matrix<float> spectra;
    std::vector<float> target;
};

Samples samples_of(const Features& f, const std::vector<int64_t>& rows) {
    Samples samples{single(columns(f.transformed, rows)), {}};
    for (const int64_t row : rows) samples.target.push_back(static_cast<float>(f.target[static_cast<std::size_t>(f.variant_of(row))]));
    return samples;
}

/// Validation rows of the fitted epochs; training rows where there are none, so that curves and `keep_best` stay defined.
std::vector<int64_t> validation_rows(const Features& f) {
    std::vector<int64_t> rows;
    for (const int64_t row : f.boundary_rows()) {
        if (f.part[static_cast<std::size_t>(row)] == Part::validation) rows.push_back(row);
    }
    return rows.empty() ? f.training_rows() : rows;
}

Features start_features(const AnalysisInput& input, const AnalysisOptions& options, const Prepared& data, std::vector<int8_t> part) {
    Features f;
    f.options = &options;
    f.variants = static_cast<int64_t>(input.variant.size());
    f.epochs = static_cast<int64_t>(input.epochs.size());
    f.part = std::move(part);
    f.hidden = input.hidden;
    f.cell = data.cell;
    f.epoch_loss = data.epoch_loss;
    f.loss_threshold = data.loss_threshold;
    f.usable = data.usable;
    f.label = data.label;
    f.init = input.init;
    f.mean = data.mean;
    f.maximum = data.maximum;
    f.deviation = data.deviation;
    f.kaplan_yorke = data.kaplan_yorke;
    f.spectrum = data.spectrum;
    return f;
}

void fit_scalings(const AnalysisOptions& options, const Prepared& data, Features& f, FittedModel& model) {
    const std::vector<int64_t> rows = f.training_rows();
    if (rows.size() < 2) {
        throw DataError("analysis: found " + std::to_string(rows.size()) + " finite training spectra at the fitted epochs, expected at least 2");
    }
    model.spectrum_scaler = {options.transform, options.transform_scale, 0.0, 1.0};
    model.target_scaler = {options.target, options.loss_cap, 0.0, 1.0};
    if (options.standardise) {
        std::vector<double> losses;
        for (const int64_t row : rows) losses.push_back(data.loss[static_cast<std::size_t>(f.variant_of(row))]);
        const Matrix<double> training = columns(f.spectrum, rows);
        model.spectrum_scaler.fit(training.view());
        model.target_scaler.fit(losses);
    }
    f.transformed = model.spectrum_scaler.apply(std::as_const(f.spectrum).view());
    for (const double loss : data.loss) f.target.push_back(model.target_scaler.apply(loss));
}

/// Autoencoder and both PCAs from training networks; where every spectrum lies in them.
void embed_spectra(const AnalysisInput& input, const AnalysisOptions& options, int64_t repeat, Features& f, FittedModel& model) {
    const std::vector<int64_t> rows = f.training_rows();
    const Samples training = samples_of(f, rows);
    const Samples validation = samples_of(f, validation_rows(f));
    model.autoencoder = train_autoencoder(training.spectra.view(), training.target, validation.spectra.view(), validation.target,
                                          options.autoencoder, input.seed, repeat);
    const Autoencoder<float>& net = model.autoencoder.net;
    const Matrix<double> latent = latent_vectors(net, std::as_const(f.transformed).view());
    const Matrix<double> training_latent = columns(latent, rows);
    model.pca = fit_pca(training_latent.view());
    f.aelle_pc = components(model.pca, latent.view());
    f.predicted_loss = predicted_losses(net, model.target_scaler, latent.view());

    const Matrix<double>& baseline = f.baseline();
    const Matrix<double> training_baseline = columns(baseline, rows);
    model.le_pca = fit_pca(training_baseline.view());
    f.le_pc = model.le_pca.project(baseline.view(), std::min(baseline.rows(), std::max<int64_t>(2, options.regression_components)));

    const auto fill = [&](std::vector<double>& to, const Matrix<double>& from, int64_t count) {
        for (int64_t row = 0; row < f.rows(); ++row) {
            const bool usable = f.usable[static_cast<std::size_t>(row)];
            for (int64_t i = 0; i < count; ++i) to.push_back(!usable ? nan : i < from.rows() ? from(i, row) : 0.0);
        }
    };
    fill(model.latent, latent, latent.rows());
    fill(model.pc, f.aelle_pc, latent.rows());
    fill(model.le_pc, f.le_pc, 2);
    for (std::size_t i = 0; i < f.usable.size(); ++i) model.predicted_loss.push_back(f.usable[i] ? f.predicted_loss[i] : nan);
    if (repeat == 0) model.interpretation = interpret(net, model.spectrum_scaler, model.target_scaler, training_latent.view());
}

std::vector<uint8_t> is_of_cell(const AnalysisInput& input, const std::string& cell) {
    std::vector<uint8_t> belongs;
    for (const std::string& other : input.cell) belongs.push_back(other == cell);
    return belongs;
}

std::vector<std::string> held_out_cells(const AnalysisInput& input, const AnalysisOptions& options, const Prepared& data) {
    std::vector<std::string> cells;
    if (!options.leave_one_out || data.cells.size() < 2) return cells;
    std::vector<int64_t> usable(data.cells.size());
    int64_t all = 0;
    for (std::size_t v = 0; v < input.cell.size(); ++v) {
        usable[static_cast<std::size_t>(data.cell[v])] += data.usable_variant[v];
        all += data.usable_variant[v];
    }
    for (std::size_t c = 0; c < data.cells.size(); ++c) {
        if (usable[c] > 0 && all - usable[c] >= fewest_networks) cells.push_back(data.cells[c]);
    }
    return cells;
}

bool has_control(const AnalysisOptions& options, const Prepared& data) {
    return options.architecture_control && options.label == LabelReference::study && data.cells.size() > 1;
}

/// Labels by the median loss of the own architecture.
std::vector<uint8_t> labels_by_architecture(const Prepared& data) {
    std::vector<uint8_t> label;
    for (std::size_t v = 0; v < data.loss.size(); ++v) label.push_back(data.loss[v] < data.cell_median[v]);
    return label;
}

/// Splits of the result; the part of every spectrum.
std::vector<int8_t> split(const AnalysisInput& input, const AnalysisOptions& options, const Prepared& data, RepeatResult& result) {
    const auto epochs = input.epochs.size();
    std::vector<int8_t> part(data.usable.size());
    if (result.repeat < options.repeats && options.split == SplitBy::spectra) {
        part = split_spectra(data.usable, input.seed, result.repeat, options.train_fraction, options.validation_fraction);
        result.split.assign(input.variant.size(), Part::left_out);
        for (std::size_t row = 0; row < part.size(); ++row) {
            if (data.usable[row]) result.split[row / epochs] = part[row];
        }
        result.spectrum_split = part;
        return part;
    }
    if (result.repeat < options.repeats) {
        result.split = split_networks(data.usable_variant, input.seed, result.repeat, options.train_fraction, options.validation_fraction);
    } else {
        const auto cells = held_out_cells(input, options, data);
        const auto index = static_cast<std::size_t>(result.repeat - options.repeats);
        require(index < cells.size(), "a repeat, or an architecture to leave out");
        result.split = split_architectures(data.usable_variant, is_of_cell(input, cells[index]), input.seed, result.repeat,
                                           options.train_fraction, options.validation_fraction);
    }
    for (std::size_t row = 0; row < part.size(); ++row) part[row] = result.split[row / epochs];
    return part;
}

/// Decisions of one classifier, -1 where it makes none.
void append_positive(std::vector<int8_t>& to, const Features& f, const Judgement& judgement) {
    for (std::size_t i = 0; i < f.usable.size(); ++i) {
        const bool judged = f.usable[i] && !std::isnan(judgement.score[i]);
        to.push_back(judged ? static_cast<int8_t>(judgement.positive[i]) : int8_t{-1});
    }
}

void judge_all(const AnalysisOptions& options, const Features& f, RepeatResult& result) {
    for (const Classifier& classifier : classifiers(options)) {
        const Judgement judgement = classifier.judge(f);
        for (std::size_t i = 0; i < f.usable.size(); ++i) result.score.push_back(f.usable[i] ? judgement.score[i] : nan);
        append_positive(result.positive, f, judgement);
        result.boundary.insert(result.boundary.end(), judgement.boundary.begin(), judgement.boundary.end());
        result.side.insert(result.side.end(), judgement.side.begin(), judgement.side.end());
    }
}

}  // namespace

std::vector<std::string> held_out_cells(const AnalysisInput& input, const AnalysisOptions& options) {
    return held_out_cells(input, options, prepare(input, options));
}

void check_input(const AnalysisInput& input, const AnalysisOptions& options) {
    check_options(options);
    const Prepared data = prepare(input, options);
    split_networks(data.usable_variant, input.seed, 0, options.train_fraction, options.validation_fraction);
}

RepeatResult analyze_repeat(const AnalysisInput& input, const AnalysisOptions& options, int64_t repeat) {
    const OneThread one_thread;
    check_options(options);
    const Prepared data = prepare(input, options);
    RepeatResult result;
    result.repeat = repeat;
    Features f = start_features(input, options, data, split(input, options, data, result));
    FittedModel model;
    fit_scalings(options, data, f, model);
    embed_spectra(input, options, repeat, f, model);
    judge_all(options, f, result);
    if (repeat < options.repeats && has_control(options, data)) {
        f.label = labels_by_architecture(data);
        f.loss_threshold = data.cell_median;
        for (const Classifier& classifier : classifiers(options)) append_positive(result.control_positive, f, classifier.judge(f));
    }
    if (repeat == 0) result.model = std::move(model);
    return result;
}

Analysis assemble(const AnalysisInput& input, const AnalysisOptions& options, std::vector<RepeatResult> repeats) {
    std::sort(repeats.begin(), repeats.end(), [](const RepeatResult& a, const RepeatResult& b) { return a.repeat < b.repeat; });
    Prepared data = prepare(input, options);
    Analysis analysis;
    analysis.held_out = held_out_cells(input, options, data);
    require(repeats.size() == static_cast<std::size_t>(options.repeats) + analysis.held_out.size(), "as many results as repeats and architectures");
    for (std::size_t r = 0; r < repeats.size(); ++r) require(repeats[r].repeat == static_cast<int64_t>(r), "each repeat once");
    require(repeats.front().model.has_value(), "repeat 0 has its model");

    for (const Classifier& classifier : classifiers(options)) analysis.classifier.push_back(classifier.name);
    analysis.median_loss = data.median_loss;
    analysis.threshold = data.threshold;
    analysis.length = data.spectrum.rows();
    analysis.clipped = data.clipped;
    analysis.diverged = std::count(input.status.begin(), input.status.end(), "diverged");
    analysis.failed = std::count(input.status.begin(), input.status.end(), "failed");
    analysis.left_out = std::count(data.usable_variant.begin(), data.usable_variant.end(), uint8_t{0});
    analysis.left_out_spectra = std::count(data.usable.begin(), data.usable.end(), uint8_t{0});
    if (has_control(options, data)) analysis.control_label = labels_by_architecture(data);
    analysis.loss = std::move(data.loss);
    analysis.label = std::move(data.label);
    analysis.usable = std::move(data.usable);
    analysis.mean = std::move(data.mean);
    analysis.maximum = std::move(data.maximum);
    analysis.deviation = std::move(data.deviation);
    analysis.kaplan_yorke = std::move(data.kaplan_yorke);
    const auto first_held_out = repeats.begin() + options.repeats;
    analysis.held_out_results.assign(std::make_move_iterator(first_held_out), std::make_move_iterator(repeats.end()));
    repeats.erase(first_held_out, repeats.end());
    analysis.repeats = std::move(repeats);
    return analysis;
}

}  // namespace aelle::embed
