// Figures of spectra, losses and learning curves.

#include <algorithm>
#include <cmath>

#include "aelle/base/text.hpp"
#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "figure_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr int64_t drawn_spectra = 20;   ///< per class

/// Every variant of one class with a finite loss and a spectrum, evenly picked along the order of loss.
std::vector<int64_t> picked_variants(const Results& results, int64_t epoch, bool good) {
    std::vector<int64_t> order;
    for (int64_t v = 0; v < results.variants(); ++v) {
        const double leading = results.exponents[static_cast<std::size_t>((v * results.epochs() + epoch) * results.exponent_count)];
        if (results.is_good(v) == good && !std::isnan(leading)) order.push_back(v);
    }
    const auto key = [&](int64_t v) {
        const double loss = results.loss[static_cast<std::size_t>(v)];
        return std::isnan(loss) ? HUGE_VAL : loss;
    };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return key(a) < key(b); });
    const auto count = static_cast<int64_t>(order.size());
    if (count <= drawn_spectra) return order;
    std::vector<int64_t> picked;
    for (int64_t i = 0; i < drawn_spectra; ++i) picked.push_back(order[static_cast<std::size_t>(i * (count - 1) / (drawn_spectra - 1))]);
    return picked;
}

std::string spectra_data(const Results& results, const std::vector<int64_t>& variants, int64_t epoch, const Range& y) {
    std::string data = "# index exponent; one block for each network\n";
    for (const int64_t v : variants) {
        const std::vector<double> values = results.spectrum(v, epoch);
        for (std::size_t i = 0; i < values.size(); ++i) data += data_line({static_cast<double>(i + 1), y.clamped(values[i])});
        data += "\n";
    }
    return data;
}

}  // namespace

Figure spectra_figure(const Results& results, int64_t epoch) {
    Figure figure;
    figure.stem = "spectra";
    figure.title = "Lyapunov spectra";
    const std::vector<int64_t> high = picked_variants(results, epoch, true), low = picked_variants(results, epoch, false);
    std::vector<double> shown{0.0};
    std::size_t longest = 2;
    for (const auto* group : {&high, &low}) {
        for (const int64_t v : *group) {
            const std::vector<double> values = results.spectrum(v, epoch);
            shown.insert(shown.end(), values.begin(), values.end());
            longest = std::max(longest, values.size());
        }
    }
    const Range y = display_range(shown);
    figure.script = preamble(640, 440) + axis_labels("index of the exponent, largest first", "Lyapunov exponent (nats per step)") +
                    set_range("x", {1.0, static_cast<double>(longest), 0}) + set_range("y", y);
    std::vector<std::string> terms{"0 with lines lw 1 lc rgb '" + std::string(ink) + "' notitle"};
    const auto add = [&](const std::vector<int64_t>& group, const std::string& suffix, const std::string& style, const std::string& title) {
        if (group.empty()) return;
        const std::string file = figure.stem + "-" + suffix + ".dat";
        figure.data.push_back({file, spectra_data(results, group, epoch, y)});
        terms.push_back("'" + file + "' using 1:2 with lines " + style + " title '" + title + "'");
    };
    add(low, "low", "lw 1.1 dt (7,3) lc rgb '#50D55E00'", "low accuracy");
    add(high, "high", "lw 1.3 lc rgb '#500072B2'", "high accuracy");
    figure.script += plot_command(terms);
    figure.caption = "Lyapunov exponents " + after_epoch(results, epoch) + " of " + std::to_string(high.size()) + " networks of high and " +
                     std::to_string(low.size()) +
                     " of low accuracy, picked evenly from best to worst. A largest exponent of 0 (black line) is a steady "
                     "rhythm, above 0 chaos, below 0 rest." +
                     outside_note(y.outside);
    figure.alternative = "Curves of Lyapunov exponents, largest first; solid blue for high accuracy, dashed vermillion for low.";
    return figure;
}

Figure loss_figure(const Results& results) {
    Figure figure;
    figure.stem = "loss-init";
    figure.title = "Loss against " + results.init_name;
    std::vector<double> losses{results.threshold}, inits;
    std::string data = "# init loss high_accuracy filled\n";
    int64_t without = 0;
    double smallest = HUGE_VAL, largest = 0.0;
    for (std::size_t v = 0; v < results.loss.size(); ++v) {
        const double loss = results.loss[v];
        if (!std::isfinite(loss) || !std::isfinite(results.init[v])) {
            ++without;
            continue;
        }
        losses.push_back(loss);
        inits.push_back(results.init[v]);
        smallest = std::min(smallest, loss);
        largest = std::max(largest, loss);
    }
    const bool logarithmic = smallest > 0.0 && largest > 10.0 * smallest;
    const Range x = display_range(inits);
    Range y = display_range(losses);
    if (logarithmic) y = {smallest / 1.25, largest * 1.25, 0};
    for (std::size_t v = 0; v < results.loss.size(); ++v) {
        if (!std::isfinite(results.loss[v]) || !std::isfinite(results.init[v])) continue;
        data += data_line({x.clamped(results.init[v]), y.clamped(results.loss[v]), results.loss[v] < results.threshold ? 1.0 : 0.0, 1.0});
    }
    figure.data.push_back({figure.stem + ".dat", data});
    figure.script = preamble(640, 420) + axis_labels(init_axis(results), results.loss_name) + set_range("x", x) + set_range("y", y) +
                    (logarithmic ? "set logscale y\n" : "");
    std::vector<std::string> terms = accuracy_points(figure.stem + ".dat", false);
    if (std::isfinite(results.threshold)) {
        terms.push_back(rounded(results.threshold, 17) + " with lines lw 2 dt (8,5) lc rgb '" + std::string(ink) + "' title 'threshold'");
    }
    figure.script += plot_command(terms);
    figure.caption = "Final loss of every network. Below the threshold, " + rounded(results.threshold, 4) +
                     ", fixed once for the study, a network counts as accurate.";
    if (without > 0) figure.caption += " Not shown, for want of a finite loss: " + counted(without, "network", "networks") + ".";
    figure.caption += outside_note(x.outside + y.outside);
    figure.alternative = "Scatter plot of " + results.loss_name + " against " + results.init_name + " with a horizontal threshold line.";
    return figure;
}

Figure learning_curve_figure(const Results& results) {
    Figure figure;
    figure.stem = "autoencoder";
    figure.title = "Training of the autoencoder";
    std::string data = "# step";
    for (const LearningCurve& curve : results.curves) data += " " + curve.name;
    data += "\n";
    for (std::size_t i = 0; i < results.curve_step.size(); ++i) {
        std::vector<double> line{results.curve_step[i]};
        for (const LearningCurve& curve : results.curves) line.push_back(curve.value[i]);
        data += data_line(line);
    }
    figure.data.push_back({figure.stem + ".dat", data});
    // Nothing at or below zero can be drawn on a logarithmic axis.
    double first = HUGE_VAL, last = 1.0;
    for (const double step : results.curve_step) {
        if (step > 0.0) first = std::min(first, step);
        last = std::max(last, step);
    }
    if (!(first < last)) first = 0.1 * last;
    figure.script = preamble(640, 420) + axis_labels("training step", "loss (scaled units)") +
                    "set logscale xy\nset format y '%g'\nset key maxrows 2 width -5\nset xrange [" + rounded(first, 9) + ":" +
                    rounded(last, 9) + "]\n";
    std::vector<std::string> terms;
    for (std::size_t i = 0; i < results.curves.size(); ++i) {
        std::string title = results.curves[i].name;
        std::replace(title.begin(), title.end(), '_', ' ');
        const bool reconstruction = title.starts_with("reconstruction");
        const bool training = title.ends_with("train");
        const std::size_t split_at = title.find(' ');
        title = title.substr(0, split_at) + (training ? ", training" : ", validation");
        const std::string column = std::to_string(i + 2);
        terms.push_back("'" + figure.stem + ".dat' using ($1>0 ? $1 : NaN):($" + column + ">0 ? $" + column +
                        " : NaN) with lines lw 2 dt " + (training ? "1" : "(5,3)") + " lc rgb '" + (reconstruction ? blue : vermillion) +
                        "' title '" + title + "'");
    }
    figure.script += plot_command(terms);
    figure.caption =
        "Reconstruction of the spectrum and prediction of the loss while the autoencoder of the first split learns. Validation networks "
        "are not trained "
        "on; where their curve rises, the autoencoder has begun to learn its training networks by heart.";
    figure.alternative =
        "Logarithmic line plot of reconstruction and prediction loss over training steps, solid for training and dashed for validation.";
    return figure;
}

}  // namespace aelle::report
