#include "text_columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "aelle/base/text.hpp"
#include "aelle/embed/scores.hpp"

namespace aelle::report {
namespace {

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

}  // namespace

std::string csv_real(double value) { return std::isnan(value) ? "" : exact(value); }

std::string csv_text(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) { return join(fields, ",") + "\n"; }

std::string fixed(double value, int decimals) {
    if (std::isnan(value)) return "-";
    std::array<char, 400> buffer;  // longest double in fixed notation has 309 digits before the point
    std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
    return buffer.data();
}

std::string mean_and_deviation(const Spread& spread, int decimals) {
    std::string text = fixed(spread.mean, decimals);
    if (!std::isnan(spread.deviation)) text += " ± " + fixed(spread.deviation, decimals);
    return text;
}

std::string interval(double low, double high, int decimals) {
    return std::isnan(low) || std::isnan(high) ? "-" : fixed(low, decimals) + " to " + fixed(high, decimals);
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], characters(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - characters(row[i]), ' ');
            line += (i == 0 ? "" : "  ") + (i == 0 ? row[i] + padding : padding + row[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

std::string counted(int64_t count, std::string_view singular, std::string_view plural) {
    return std::to_string(count) + " " + std::string(count == 1 ? singular : plural);
}

std::string exponent_unit(const Results& results) { return results.option("log", "e") == "2" ? "bits per step" : "nats per step"; }

double everything_good_score(const Results& results, int64_t epoch) {
    double sum = 0;
    for (int64_t r = 0; r < results.repeats; ++r) {
        embed::Outcomes outcomes;
        for (int64_t v = 0; v < results.variants(); ++v) {
            if (results.is_tested(r, v, epoch)) ++(results.is_good(v) ? outcomes.tp : outcomes.fp);
        }
        sum += embed::scores(outcomes).f1;
    }
    return results.repeats == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(results.repeats);
}

std::string scoring_note(const Results& results, int64_t epoch) {
    return "Calling everything good scores F1 = " + fixed(everything_good_score(results, epoch)) +
           ". Scores are of test variants alone; thresholds and boundaries come from training and validation variants; " +
           counted(results.repeats, "random split", "random splits") + ".";
}

std::string undefined_note(const Scores& scores) {
    if (scores.undefined == 0) return "";
    return counted(scores.undefined, "score", "scores") +
           " of single splits had denominator zero (nothing good, or nothing called good) and " +
           (scores.undefined == 1 ? "counts" : "count") + " as 0.";
}

}  // namespace aelle::report
