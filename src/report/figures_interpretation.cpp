// What the autoencoder goes by: its latent dimensions and the spectra along the predictor's direction.

#include <algorithm>
#include <cmath>

#include "aelle/base/text.hpp"
#include "aelle/report/figures.hpp"
#include "figure_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

/// Colours from low to high predicted loss, through grey.
constexpr const char* step_colours[] = {"#0072B2", "#66AAD0", "#6E6E6E", "#E69A66", "#D55E00"};

}  // namespace

Figure interpretation_figure(const Results& results) {
    const Direction& direction = results.direction;
    Figure figure;
    figure.stem = "interpretation";
    figure.title = "What the autoencoder goes by";
    std::vector<double> shares = direction.share;
    std::stable_sort(shares.begin(), shares.end(), [](double a, double b) { return std::fabs(a) > std::fabs(b); });
    std::string bars = "# place share_percent\n", curves = "# position, then the decoded spectrum at every step\n";
    std::vector<double> percents{0.0};
    for (std::size_t i = 0; i < shares.size(); ++i) {
        percents.push_back(100.0 * shares[i]);
        bars += data_line({static_cast<double>(i + 1), percents.back()});
    }
    const auto steps = static_cast<int64_t>(direction.shift.size());
    const Range y = display_range(direction.spectrum);
    for (int64_t position = 0; position < direction.length; ++position) {
        std::vector<double> line{static_cast<double>(position + 1)};
        for (int64_t s = 0; s < steps; ++s)
            line.push_back(y.clamped(direction.spectrum[static_cast<std::size_t>(s * direction.length + position)]));
        curves += data_line(line);
    }
    figure.data = {{figure.stem + "-shares.dat", bars}, {figure.stem + "-spectra.dat", curves}};
    std::vector<std::string> terms{"0 with lines lw 1 lc rgb '" + std::string(ink) + "' notitle"};
    std::vector<KeyEntry> key;
    for (int64_t s = 0; s < steps; ++s) {
        const std::string style =
            "lines lw 2.2 dt " + std::to_string(s + 1) + " lc rgb '" + step_colours[static_cast<std::size_t>(s) % 5] + "'";
        terms.push_back("'" + figure.data[1].name + "' using 1:" + std::to_string(s + 2) + " with " + style + " notitle");
        key.push_back({style, "predicted loss " + rounded(direction.prediction[static_cast<std::size_t>(s)], 3)});
    }
    Range high = display_range(percents);
    figure.script = preamble(820, 440) + "set multiplot layout 1,2 margins 0.08,0.98,0.15,0.8 spacing 0.11\nunset key\n" +
                    axis_labels("latent dimension, by share", "share of the predictions' variance (%)") +
                    set_range("x", {0.2, static_cast<double>(shares.size()) + 0.8, 0}) + set_range("y", high) +
                    plot_command({"'" + figure.data[0].name + "' using 1:2:(0.8) with boxes fs solid 0.9 noborder lc rgb '" + blue + "'"}) +
                    axis_labels("index of the exponent, largest first", "decoded exponent (" + exponent_unit(results) + ")") +
                    set_range("x", {1.0, std::max(2.0, static_cast<double>(direction.length)), 0}) + set_range("y", y) +
                    plot_command(terms) + key_panel(key) + "unset multiplot\n";
    figure.caption =
        "Left: how much each latent dimension adds to the variance of the predicted loss. Right: the decoder along the predictor's "
        "direction, from the mean "
        "training network: the change of spectrum that would lower the predicted loss, solid and blue for the lowest. Whether the decoded "
        "spectra are "
        "predicted as they should be is in the table \"Spectra decoded along the predictor's direction\"." +
        outside_note(y.outside);
    figure.alternative =
        "Left: bars of the shares of latent dimensions. Right: decoded spectra, a curve for each predicted loss; the numbers are in the "
        "tables under "
        "Interpretation.";
    return figure;
}

}  // namespace aelle::report
