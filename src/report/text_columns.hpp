#pragma once
/// Formatting shared by tables, figures and page.

#include <string>
#include <string_view>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"

namespace aelle::report {

/// `decimals` places after the point; "-" for NaN.
std::string fixed(double value, int decimals = 2);

/// A field of a CSV file: 17 digits, empty for NaN; a text, quoted where it holds a comma, a quote or a line end; a line of fields.
std::string csv_real(double value);
std::string csv_text(const std::string& text);
std::string csv_line(const std::vector<std::string>& fields);

/// "0.82 ± 0.05", without the deviation where it is undefined.
std::string mean_and_deviation(const Spread& spread, int decimals = 2);

/// "0.75 to 0.88", "-" where undefined.
std::string interval(double low, double high, int decimals = 2);

/// First column left-aligned, the others right-aligned, two blanks between; widths count characters, not bytes. The first row is the header.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

/// "1 network", "3 networks".
std::string counted(int64_t count, std::string_view singular, std::string_view plural);

/// Of the analysis: "nats per step", or bits.
std::string exponent_unit(const Results& results);

/// Mean F1 over repeats of calling every test variant good.
double everything_good_score(const Results& results, int64_t epoch);

/// How scores were taken: what everything called good scores, where boundaries come from, number of splits.
std::string scoring_note(const Results& results, int64_t epoch);

/// "" where every score has a denominator.
std::string undefined_note(const Scores& scores);

}  // namespace aelle::report
