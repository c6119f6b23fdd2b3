// What the best, the median and the worst network produce: left panels of the paper's Figures 2 to 4.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "aelle/base/text.hpp"
#include "aelle/report/figures.hpp"
#include "aelle/report/gnuplot.hpp"
#include "figure_parts.hpp"

namespace aelle::report {
namespace {

constexpr int64_t drawn_samples = 600;  ///< per curve: about one for each pixel
constexpr int64_t drawn_steps = 32;     ///< characters of a window that fit side by side
constexpr double faintest = 0.01;       ///< probabilities below it leave their cell white

std::string panel_title(const Results& results, int64_t panel, int64_t panels) {
    const char* rank = panel == 0 ? "best" : panel + 1 == panels ? "worst" : "median";
    const auto i = static_cast<std::size_t>(panel);
    return std::string(rank) + ": network " + std::to_string(results.examples.variant[i]) + ", " + results.loss_name + " " +
           rounded(results.examples.loss[i], 3);
}

double largest_magnitude(const std::vector<double>& values) {
    double largest = 0.0;
    for (const double value : values) {
        if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
    }
    return largest > 0.0 ? largest : 1.0;
}

/// Time, then target and output of each panel; outputs that leave the axis are drawn at its edge.
std::string signal_data(const Examples& examples, Range& range) {
    std::string data = "# time, then target and output of the best, median and worst network\n";
    const std::size_t samples = examples.time.size();
    for (std::size_t s = 0; s < samples; ++s) {
        std::vector<double> line{examples.time[s]};
        for (std::size_t panel = 0; panel < examples.variant.size(); ++panel) {
            const double output = examples.output[panel * samples + s];
            line.push_back(examples.target[panel * samples + s]);
            if (!std::isnan(output) && output != range.clamped(output)) ++range.outside;
            line.push_back(std::isnan(output) ? output : range.clamped(output));
        }
        data += data_line(line);
    }
    return data;
}

/// Colour between white (0) and a dark one (1).
std::string shade(double value, int red, int green, int blue_part) {
    const double share = std::clamp(value, 0.0, 1.0);
    const auto mix = [share](int dark) { return static_cast<unsigned>(std::lround(255.0 + share * (dark - 255.0))); };
    std::array<char, 16> text;
    std::snprintf(text.data(), text.size(), "0x%02X%02X%02X", mix(red), mix(green), mix(blue_part));
    return text.data();
}

std::string probability_shade(double value) { return shade(value, 0x00, 0x72, 0xB2); }

/// A filled cell: left, right, top, bottom and colour, for cells().
std::string cell_line(double x, double y, double width, double height, const std::string& colour) {
    std::string line = data_line({x, x + width, y, y + height});
    line.back() = ' ';
    return line + colour + "\n";
}

std::string cells(const std::string& file) {
    return "'" + file + "' using (($1+$2)/2):(($3+$4)/2):1:2:3:4:5 with boxxyerror fs solid 1 noborder lc rgb variable notitle";
}

std::string outlines(const std::string& file) {
    return "'" + file + "' using (($1+$2)/2):(($3+$4)/2):1:2:3:4 with boxxyerror fs empty border lc rgb '" + std::string(ink) +
           "' lw 1.6 lc rgb '" + ink + "' notitle";
}

std::string label_at(int& number, const std::string& text, double x, double y, const std::string& style) {
    return "set label " + std::to_string(++number) + " " + gnuplot_quoted(text) + " at first " + rounded(x, 9) + "," + rounded(y, 9) + " " +
           style + "\n";
}

/// A canvas without axes, y downwards.
std::string canvas(double width, double height, int pixels_wide, int pixels_high) {
    return preamble(pixels_wide, pixels_high) + "unset border\nunset xtics\nunset ytics\nunset grid\nset margins 1,1,0.5,0.5\n" +
           set_range("x", {0.0, width, 0}) + "set yrange [" + rounded(height, 9) + ":0]\n";
}

/// A character as it can be seen.
std::string visible(const std::string& character) {
    if (character == " ") return "␣";
    if (character == "\n") return "↵";
    if (character == "\t") return "⇥";
    return character;
}

}  // namespace

Figure signal_figure(const Results& results) {
    const Examples& examples = results.examples;
    const auto panels = static_cast<int64_t>(examples.variant.size());
    Figure figure;
    figure.stem = "signals";
    figure.title = "Target and produced signals";
    const double target_reach = largest_magnitude(examples.target);
    const double reach = 1.1 * std::clamp(largest_magnitude(examples.output), target_reach, 2.5 * target_reach);
    Range y{-reach, reach, 0};
    const std::string file = figure.stem + ".dat";
    figure.data.push_back({file, signal_data(examples, y)});
    const auto samples = static_cast<int64_t>(examples.time.size());
    const std::string every = " every " + std::to_string(std::max<int64_t>(1, (samples + drawn_samples - 1) / drawn_samples));
    const int height = static_cast<int>(105 + 150 * panels);
    figure.script = preamble(640, height) + set_range("y", y) + "set multiplot layout " + std::to_string(panels) + ",1 margins 0.14,0.97," +
                    rounded(60.0 / height, 4) + "," + rounded(1.0 - 62.0 / height, 4) + " spacing 0," + rounded(40.0 / height, 4) +
                    "\nset ylabel 'signal' offset 1,0\nset format x ''\n";
    if (samples > 1) figure.script += set_range("x", {examples.time.front(), examples.time.back(), 0});
    for (int64_t panel = 0; panel < panels; ++panel) {
        const std::string target = std::to_string(2 + 2 * panel), output = std::to_string(3 + 2 * panel);
        figure.script += "set label 1 " + gnuplot_quoted(panel_title(results, panel, panels)) + " at graph 0,1.12 left\n";
        if (panel == panels - 1) figure.script += "set xlabel 'time (time constants)'\nset format x '%g'\n";
        const std::string first = panel == 0 ? "" : "no";
        figure.script += "set key at screen 0.14,0.985 left Left reverse horizontal samplen 2\n" +
                         plot_command({"'" + file + "'" + every + " using 1:" + target + " with lines lw 4 lc rgb '#b8b8b8' " + first +
                                           "title" + (panel == 0 ? " 'target'" : ""),
                                       "'" + file + "'" + every + " using 1:" + output + " with lines lw 1.6 lc rgb '" + blue + "' " +
                                           first + "title" + (panel == 0 ? " 'network'" : "")});
    }
    figure.script += "unset multiplot\n";
    figure.caption =
        "What three networks had to produce (grey) and what they produced on their own after training (blue): the one with the smallest, "
        "the "
        "middle and the largest error." +
        outside_note(y.outside);
    figure.alternative = "Line plots of target and output over time, one panel each for the best, the median and the worst network.";
    return figure;
}

Figure digits_figure(const Results& results) {
    constexpr double left = 0.45, panel = 2.45, cell = 0.2;
    const Examples& examples = results.examples;
    const auto networks = static_cast<int64_t>(examples.variant.size());
    Figure figure;
    figure.stem = "digits";
    figure.title = "Digits and what three networks see in them";
    std::string pixels, probabilities, truth;
    int labels = 0;
    const double width = left + static_cast<double>(examples.images), height = 1.15 + panel * static_cast<double>(networks);
    figure.script = canvas(width, height, 720, static_cast<int>(60 * height + 20));
    for (int64_t image = 0; image < examples.images; ++image) {
        const double x = left + static_cast<double>(image);
        const double step_x = 0.9 / static_cast<double>(examples.columns), step_y = 0.9 / static_cast<double>(examples.rows);
        for (int64_t i = 0; i < examples.rows * examples.columns; ++i) {
            const double grey_level = examples.pixels[static_cast<std::size_t>(image * examples.rows * examples.columns + i)];
            if (grey_level < 0.05) continue;
            const auto row = static_cast<double>(i / examples.columns), column = static_cast<double>(i % examples.columns);
            pixels += cell_line(x + column * step_x, 0.1 + row * step_y, step_x, step_y, shade(grey_level, 0x10, 0x10, 0x10));
        }
        for (int64_t network = 0; network < networks; ++network) {
            const double top = 1.5 + panel * static_cast<double>(network);
            for (int64_t digit = 0; digit < examples.classes; ++digit) {
                const double p =
                    examples.probability[static_cast<std::size_t>((network * examples.images + image) * examples.classes + digit)];
                const double y = top + cell * static_cast<double>(digit);
                if (p >= faintest) probabilities += cell_line(x, y, 0.9, cell, probability_shade(p));
                if (digit == examples.digit[static_cast<std::size_t>(image)]) truth += cell_line(x, y, 0.9, cell, "0");
            }
        }
    }
    for (int64_t network = 0; network < networks; ++network) {
        const double top = 1.5 + panel * static_cast<double>(network);
        figure.script += label_at(labels, panel_title(results, network, networks), left, top - 0.18, "left");
        for (int64_t digit = 0; digit < examples.classes; ++digit) {
            figure.script +=
                label_at(labels, std::to_string(digit), 0.3, top + cell * (static_cast<double>(digit) + 0.5), "right font ',10'");
        }
    }
    figure.data = {{figure.stem + "-pixels.dat", "# left right top bottom colour\n" + pixels},
                   {figure.stem + "-probabilities.dat", "# left right top bottom colour\n" + probabilities},
                   {figure.stem + "-truth.dat", "# left right top bottom\n" + truth}};
    std::vector<std::string> terms;
    for (std::size_t i = 0; i < 3; ++i) {
        // An image without ink, or probabilities that are NaN, leave nothing to draw.
        if (figure.data[i].text.find('\n') + 1 < figure.data[i].text.size()) {
            terms.push_back(i < 2 ? cells(figure.data[i].name) : outlines(figure.data[i].name));
        }
    }
    figure.script += plot_command(terms);
    figure.caption =
        "Images of the validation set, and below them how probable the best, the median and the worst network hold each digit (darker: "
        "more "
        "probable). The frame marks the right one.";
    figure.alternative =
        "Ten handwritten digits in a row; below them, for each of three networks, a column of ten cells for each image, darker where the "
        "network holds that digit more probable, with the right digit framed.";
    return figure;
}

Figure characters_figure(const Results& results) {
    constexpr double left = 1.2, panel = 8.0;
    const Examples& examples = results.examples;
    const auto networks = static_cast<int64_t>(examples.variant.size());
    const int64_t shown = std::min(drawn_steps, examples.steps), first = examples.steps - shown;
    Figure figure;
    figure.stem = "characters";
    figure.title = "The next character and what three networks expect";
    std::string probabilities, truth;
    int labels = 0;
    const double width = left + static_cast<double>(shown), height = panel * static_cast<double>(networks);
    figure.script = canvas(width, height, 760, static_cast<int>(21 * height + 20));
    for (int64_t network = 0; network < networks; ++network) {
        const double top = 1.4 + panel * static_cast<double>(network);
        figure.script += label_at(labels, panel_title(results, network, networks), left, top - 0.8, "left");
        for (int64_t i = 0; i < shown; ++i) {
            const double x = left + static_cast<double>(i);
            const int64_t step = first + i, next = examples.next[static_cast<std::size_t>(step)];  // of the first window
            figure.script +=
                label_at(labels, visible(examples.vocabulary[static_cast<std::size_t>(next)]), x + 0.5, top + 0.5, "center font ',13'");
            for (int64_t place = 0; place < examples.places; ++place) {
                const auto at = static_cast<std::size_t>((network * examples.windows * examples.steps + step) * examples.places + place);
                const double y = top + 1.2 + static_cast<double>(place), p = examples.likely_probability[at];
                if (p >= faintest) probabilities += cell_line(x, y, 1.0, 1.0, probability_shade(0.75 * p));
                if (examples.likely[at] == next) truth += cell_line(x, y, 1.0, 1.0, "0");
                figure.script += label_at(labels, visible(examples.vocabulary[static_cast<std::size_t>(examples.likely[at])]), x + 0.5,
                                          y + 0.5, "center front font ',12'");
            }
        }
    }
    std::vector<std::string> terms{"-1 with lines notitle"};  // below the canvas: plot wants something even where no cell is
    const auto add = [&](const std::string& suffix, const std::string& text, std::string (*style)(const std::string&)) {
        if (text.empty()) return;
        figure.data.push_back({figure.stem + suffix, "# left right top bottom colour\n" + text});
        terms.push_back(style(figure.data.back().name));
    };
    add("-probabilities.dat", probabilities, cells);
    add("-truth.dat", truth, outlines);
    figure.script += plot_command(terms);
    figure.caption = "End of a window of the validation text. The upper line of each panel is the character that follows; below it the " +
                     std::to_string(examples.places) +
                     " that the best, the median and the worst network hold most probable (darker: more probable), framed where they are "
                     "right. ␣ is a blank, ↵ "
                     "the end of a line.";
    figure.alternative =
        "For each of three networks a line of text and below every character the network's likeliest guesses, darker where more probable, "
        "the right one framed.";
    return figure;
}

}  // namespace aelle::report
