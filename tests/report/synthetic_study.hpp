#pragma once
// study.h5 and analysis.h5 made up for tests of the report, small or of realistic size.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "aelle/base/random.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::report::testing {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Recipe {
    int64_t variants = 154;
    std::vector<int64_t> epochs{15};
    int64_t repeats = 20;
    int64_t exponents = 48;
    int64_t samples = 1200;
    std::string name = "four sines";
    std::string init_name = "g";
    std::string loss_name = "mean absolute error";
    std::string text = "[study]\nname = \"demo\"\ntask = \"signal\"\n";
    int64_t format_version = 1;
    std::string task = "signal";
    std::vector<std::string> cells{"rank1"};  ///< in turn
    std::vector<int64_t> hidden{512};         ///< in turn
    int64_t training_epochs = 0;              ///< 0: no learning curves
    bool full = false;                        ///< all datasets of the analysis that others may leave out, controls too
    bool finite = true;                ///< false: no finite principal component, loss or signal
    std::vector<std::string> without;  ///< datasets and groups to leave out
    std::vector<std::string> classifiers{"all-good",         "le-mean",       "le-max",        "le-pc1", "aelle-pc1",    "ridge-aelle-pcs",
                                         "aelle-prediction", "5-nn-spectrum", "5-nn-mean-max", "init",   "init-distance"};
};

/// A folder that is removed in the end.
class Folder {
public:
    explicit Folder(const std::string& name)
        : path_(std::filesystem::temp_directory_path() / ("aelle-" + name + "-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directories(path_);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// The variants of a recipe: good where g lies between 1.2 and 1.6, with exceptions; every 40th has diverged, every 37th has an exponent of -inf.
struct Population {
    std::vector<int64_t> variant, hidden, seed, label, usable;
    std::vector<std::string> cell, status;
    std::vector<double> init, loss, exponents, mean, maximum, deviation, pc, predicted;
    double threshold = 0.0;
};

inline void add_spectrum(Population& population, const Recipe& recipe, int64_t v, int64_t e, double loss, RandomStream& random) {
    const double lead = loss < 0.2 ? 0.0005 * random.normal() : 0.005 + 0.0015 * random.normal();
    const double slope = 0.0012 + 0.0002 * random.normal() +
                         0.0015 * population.init.back() * static_cast<double>(e + 1) / static_cast<double>(recipe.epochs.size());
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < recipe.exponents; ++k) {
        double value = lead - slope * std::pow(static_cast<double>(k), 0.8);
        sum += value;
        squares += value * value;
        if (v % 37 == 36 && k + 1 == recipe.exponents) value = -HUGE_VAL;
        population.exponents.push_back(value);
    }
    const auto count = static_cast<double>(recipe.exponents);
    population.mean.push_back(sum / count);
    population.maximum.push_back(lead);
    population.deviation.push_back(std::sqrt(std::max(0.0, squares / count - sum / count * sum / count)));
    population.pc.insert(population.pc.end(), {1.4 * std::log(loss) + 2.3 + 0.5 * random.normal(),
                                               3.0 * (population.init.back() - 1.5) + 0.4 * random.normal(), 0.1 * random.normal()});
    population.predicted.push_back(loss * std::exp(0.4 * random.normal()));
    population.usable.push_back(1);
}

inline Population make_population(const Recipe& recipe) {
    Population population;
    for (int64_t v = 0; v < recipe.variants; ++v) {
        RandomStream random(11, static_cast<uint64_t>(v), Purpose::sampling);
        population.variant.push_back(v);
        const auto turn = static_cast<std::size_t>(v);
        population.hidden.push_back(recipe.hidden[turn % recipe.hidden.size()]);
        population.seed.push_back(1000 + v);
        population.cell.push_back(recipe.cells[turn % recipe.cells.size()]);
        population.init.push_back(1.0 + 0.1 * static_cast<double>(v % 11));
        const bool diverged = v % 40 == 39;
        population.status.push_back(diverged ? "diverged" : "ok");
        const double distance = std::fabs(population.init.back() - 1.4) + 0.12 * random.normal();
        const double loss = distance < 0.28 ? 0.02 * std::exp(0.7 * random.normal()) : 0.4 * std::exp(0.35 * random.normal());
        for (std::size_t e = 0; e < recipe.epochs.size(); ++e) add_spectrum(population, recipe, v, static_cast<int64_t>(e), loss, random);
        population.loss.push_back(diverged ? nan : loss);
    }
    std::vector<double> sorted;
    for (const double loss : population.loss) sorted.push_back(std::isnan(loss) ? HUGE_VAL : loss);
    std::sort(sorted.begin(), sorted.end());
    population.threshold = 0.5 * (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]);
    for (const double loss : population.loss) population.label.push_back(loss < population.threshold);
    return population;
}

class StudyWriter {
public:
    explicit StudyWriter(const Recipe& recipe) : recipe_(recipe), population_(make_population(recipe)) {
        if (recipe.finite) return;
        for (auto* values : {&population_.pc, &population_.loss, &population_.predicted}) values->assign(values->size(), nan);
    }

    void write(const std::filesystem::path& folder) {
        io::H5Writer study, analysis;
        fill_study(study);
        study.commit(folder / "study.h5");
        fill_analysis(analysis);
        analysis.commit(folder / "analysis.h5");
    }

private:
    bool wanted(const std::string& name) const {
        return std::none_of(recipe_.without.begin(), recipe_.without.end(),
                            [&](const std::string& absent) { return name.starts_with(absent); });
    }
    template <class T>
    void put(io::H5Writer& file, const std::string& name, const std::vector<T>& values, const io::Dims& dims) const {
        if (wanted(name)) file.write(name, values, dims);
    }
    int64_t epochs() const { return static_cast<int64_t>(recipe_.epochs.size()); }

    void fill_study(io::H5Writer& file) const {
        const io::Dims v{recipe_.variants};
        file.attribute("/", "format_version", recipe_.format_version);
        file.attribute("/", "name", recipe_.name);
        file.attribute("/", "task", recipe_.task);
        file.attribute("/", "study", recipe_.text);
        file.attribute("/", "version", std::string("0.1.0"));
        file.attribute("/", "device", std::string("cpu"));
        file.attribute("/", "cells", recipe_.cells);
        file.attribute("/", "init_name", recipe_.init_name);
        file.attribute("/", "loss_name", recipe_.loss_name);
        file.attribute("/", "seed", int64_t{1});
        put(file, "variant", population_.variant, v);
        put(file, "hidden", population_.hidden, v);
        put(file, "seed", population_.seed, v);
        put(file, "init", population_.init, v);
        put(file, "epoch", recipe_.epochs, {epochs()});
        if (wanted("cell")) file.write_strings("cell", population_.cell, v);
        if (wanted("status")) file.write_strings("status", population_.status, v);
        put(file, "exponents", population_.exponents, {recipe_.variants, epochs(), recipe_.exponents});
        if (recipe_.training_epochs > 0) fill_learning(file);
        if (recipe_.task == "smnist") fill_digits(file);
        else if (recipe_.task == "charrnn") fill_text(file);
        else fill_examples(file);
    }

    void fill_learning(io::H5Writer& file) const {
        std::vector<int64_t> trained;
        std::vector<double> learning, then;
        for (int64_t epoch = 1; epoch <= recipe_.training_epochs; ++epoch) trained.push_back(epoch);
        const auto at = [&](double loss, int64_t epoch) { return loss * (1.0 + 2.0 * static_cast<double>(recipe_.training_epochs - epoch)); };
        for (const double loss : population_.loss) {
            for (const int64_t epoch : trained) learning.push_back(at(loss, epoch));
            for (const int64_t epoch : recipe_.epochs) then.push_back(at(loss, epoch));
        }
        put(file, "training_epoch", trained, {recipe_.training_epochs});
        put(file, "loss_every_epoch", learning, {recipe_.variants, recipe_.training_epochs});
        put(file, "loss", then, {recipe_.variants, epochs()});
    }

    void fill_digits(io::H5Writer& file) const {
        std::vector<double> pixels, probabilities;
        for (int64_t i = 0; i < 4 * 5 * 6; ++i) pixels.push_back(i % 7 == 0 ? 0.8 : 0.0);
        for (int64_t i = 0; i < 3 * 4 * 10; ++i) probabilities.push_back(i % 10 == 3 ? 0.91 : 0.01);
        put(file, "example/variant", std::vector<int64_t>{14, 3, 12}, {3});
        put(file, "example/loss", std::vector<double>{0.0061, 0.2034, 0.871}, {3});
        put(file, "example/inputs", pixels, {4, 5, 6});
        put(file, "example/targets", std::vector<int64_t>{3, 1, 3, 9}, {4});
        put(file, "example/probabilities", probabilities, {3, 4, 10});
    }

    void fill_text(io::H5Writer& file) const {
        const std::vector<std::string> vocabulary{" ", "\n", "'", "\"", "<", "é"};
        std::vector<int64_t> next, likely;
        std::vector<double> probability;
        for (int64_t i = 0; i < 2 * 40; ++i) next.push_back(i % 6);
        for (int64_t i = 0; i < 3 * 2 * 40 * 2; ++i) {
            likely.push_back((i / 3) % 6);
            probability.push_back(i % 2 == 0 ? 0.7 : 0.2);
        }
        put(file, "example/variant", std::vector<int64_t>{14, 3, 12}, {3});
        put(file, "example/loss", std::vector<double>{1.2, 1.6, 3.1}, {3});
        file.write_strings("example/vocabulary", vocabulary, {6});
        put(file, "example/targets", next, {2, 40});
        put(file, "example/likely_symbols", likely, {3, 2, 40, 2});
        put(file, "example/likely_probabilities", probability, {3, 2, 40, 2});
    }

    void fill_examples(io::H5Writer& file) const {
        std::vector<double> time, target, output;
        for (int64_t s = 0; s < recipe_.samples; ++s) time.push_back(0.1 * static_cast<double>(s));
        for (int panel = 0; panel < 3; ++panel) {
            for (const double t : time) {
                const auto wave = [&](double phase, double share) {
                    return std::sin(0.21 * t + phase) / 1.5 + share * std::sin(0.63 * t) / 3 + 0.2 * std::sin(1.05 * t + phase);
                };
                target.push_back(wave(0, 1));
                output.push_back(!recipe_.finite ? nan
                                 : panel == 0    ? wave(0.01, 1)
                                 : panel == 1    ? wave(0.01 * t, 0.9)
                                                 : 1.3 * std::sin(0.01 * t * t));
            }
        }
        put(file, "example/variant", std::vector<int64_t>{14, 3, 120}, {3});
        put(file, "example/loss", std::vector<double>{0.0061, 0.2034, 0.871}, {3});
        put(file, "example/time", time, {recipe_.samples});
        put(file, "example/target", target, {3, recipe_.samples});
        put(file, "example/output", output, {3, recipe_.samples});
    }

    void fill_analysis(io::H5Writer& file) const {
        const io::Dims v{recipe_.variants}, ve{recipe_.variants, epochs()};
        file.attribute("/", "format_version", recipe_.format_version);
        file.attribute("/", "threshold", population_.threshold);
        file.attribute("/", "diverged", int64_t{std::count(population_.status.begin(), population_.status.end(), "diverged")});
        file.attribute("/", "left_out", int64_t{0});
        file.attribute("/", "clipped", recipe_.variants / 37);
        put(file, "variant", population_.variant, v);
        put(file, "epoch", recipe_.epochs, {epochs()});
        put(file, "loss", population_.loss, v);
        put(file, "label", population_.label, v);
        put(file, "pc", population_.pc, {recipe_.variants, epochs(), 3});
        put(file, "predicted_loss", population_.predicted, ve);
        put(file, "statistic/mean", population_.mean, ve);
        put(file, "statistic/max", population_.maximum, ve);
        put(file, "statistic/std", population_.deviation, ve);
        fill_classifiers(file);
        fill_curves(file);
        if (recipe_.full) fill_rest(file);
    }

    /// Scores of all classifiers are their variant's loss but for the first, whose is constant.
    void fill_rest(io::H5Writer& file) const {
        std::vector<double> score, le_pc;
        const auto count = static_cast<int64_t>(recipe_.classifiers.size());
        for (int64_t c = 0; c < count; ++c) {
            for (int64_t i = 0; i < recipe_.repeats * recipe_.variants; ++i) {
                const double loss = population_.loss[static_cast<std::size_t>(i % recipe_.variants)];
                for (int64_t e = 0; e < epochs(); ++e) score.push_back(c == 0 ? 1.0 : std::isnan(loss) ? 99.0 : loss);
            }
        }
        for (const double mean : population_.mean) le_pc.insert(le_pc.end(), {mean, -mean});
        put(file, "score", score, {count, recipe_.repeats, recipe_.variants, epochs()});
        put(file, "le_pc", le_pc, {recipe_.variants, epochs(), 2});
        put(file, "statistic/kaplan_yorke", population_.maximum, {recipe_.variants, epochs()});
        const std::vector<double> five{-1.0, -0.5, 0.0, 0.5, 1.0}, losses{0.1, 0.2, 0.3, 0.4, 0.5};
        std::vector<double> spectrum;
        for (int s = 0; s < 5; ++s) spectrum.insert(spectrum.end(), {0.1 * s, 0.0, -0.2 * s, -0.4 * s});
        put(file, "interpretation/weight", std::vector<double>{0.5, -0.2, 0.1}, {3});
        put(file, "interpretation/deviation", std::vector<double>{1.0, 0.5, 0.1}, {3});
        put(file, "interpretation/share", std::vector<double>{0.15, 0.8, 0.05}, {3});
        put(file, "interpretation/shift", five, {5});
        put(file, "interpretation/prediction", losses, {5});
        put(file, "interpretation/encoded_prediction", losses, {5});
        put(file, "interpretation/spectrum", spectrum, {5, 4});
        fill_controls(file, count);
    }

    /// As if a variant were good within its architecture when its number is even; called so always. Left out: the first architecture.
    void fill_controls(io::H5Writer& file, int64_t count) const {
        std::vector<int64_t> label, split;
        for (int64_t v = 0; v < recipe_.variants; ++v) {
            label.push_back(v % 2 == 0);
            split.push_back(population_.cell[static_cast<std::size_t>(v)] == recipe_.cells[0] ? 2 : 0);
        }
        const auto all = [&](int64_t repeats) { return std::vector<int64_t>(static_cast<std::size_t>(count * repeats * recipe_.variants * epochs()), 1); };
        put(file, "control/label", label, {recipe_.variants});
        put(file, "control/positive", all(recipe_.repeats), {count, recipe_.repeats, recipe_.variants, epochs()});
        file.write_strings("held_out/cell", {recipe_.cells[0]}, {1});
        put(file, "held_out/split", split, {1, recipe_.variants});
        put(file, "held_out/positive", all(1), {count, 1, recipe_.variants, epochs()});
    }

    /// Each classifier calls a variant good as its label says, but errs at a rate of its own.
    void fill_classifiers(io::H5Writer& file) const {
        const auto count = static_cast<int64_t>(recipe_.classifiers.size());
        std::vector<int64_t> split, positive, side;
        std::vector<double> boundary;
        for (int64_t r = 0; r < recipe_.repeats; ++r) {
            RandomStream random(5, static_cast<uint64_t>(r), Purpose::split);
            for (int64_t i = 0; i < recipe_.variants; ++i) {
                const double u = random.uniform();
                split.push_back(u < 0.7 ? 0 : u < 0.8 ? 1 : 2);
            }
        }
        for (int64_t c = 0; c < count; ++c) {
            for (int64_t r = 0; r < recipe_.repeats; ++r) {
                RandomStream random(7, static_cast<uint64_t>(c * 1000 + r), Purpose::noise);
                for (int64_t i = 0; i < recipe_.variants; ++i) {
                    for (int64_t e = 0; e < epochs(); ++e) {
                        const bool wrong = random.uniform() < 0.08 + 0.04 * static_cast<double>((7 * c) % count);
                        positive.push_back(c == 0 || (population_.label[static_cast<std::size_t>(i)] == 1) != wrong);
                    }
                }
                for (int64_t e = 0; e < epochs(); ++e) {
                    boundary.push_back(c == 0 ? nan : -0.4 + 0.1 * random.normal());
                    side.push_back(c == 0 ? 0 : -1);
                }
            }
        }
        if (wanted("classifier")) file.write_strings("classifier", recipe_.classifiers, {count});
        put(file, "split", split, {recipe_.repeats, recipe_.variants});
        put(file, "positive", positive, {count, recipe_.repeats, recipe_.variants, epochs()});
        put(file, "boundary", boundary, {count, recipe_.repeats, epochs()});
        put(file, "side", side, {count, recipe_.repeats, epochs()});
    }

    void fill_curves(io::H5Writer& file) const {
        std::vector<double> step;
        for (double s = 1; s < 5001; s = std::floor(s * 1.15 + 1)) step.push_back(s);
        const auto count = static_cast<int64_t>(step.size());
        const auto curve = [&](double scale, double floor, double rise) {
            std::vector<double> values;
            for (const double s : step) values.push_back(scale / (1 + s / 60) + floor + rise * s / 5000);
            return values;
        };
        put(file, "curve/step", step, {count});
        put(file, "curve/reconstruction_train", curve(0.8, 0.03, 0), {count});
        put(file, "curve/reconstruction_validation", curve(0.82, 0.04, 0), {count});
        put(file, "curve/prediction_train", curve(1.0, 0.1, 0), {count});
        put(file, "curve/prediction_validation", curve(1.05, 0.25, 0.1), {count});
    }

    Recipe recipe_;
    Population population_;
};

inline void write_synthetic_study(const std::filesystem::path& folder, const Recipe& recipe = {}) { StudyWriter(recipe).write(folder); }

}  // namespace aelle::report::testing
