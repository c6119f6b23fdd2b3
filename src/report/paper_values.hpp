#pragma once
/// Values that the paper reports: Vogt, Zheng & Shlizerman, "Lyapunov-Guided Representation of Recurrent Neural Network Performance", its Tables 1 to 4 and
/// the F1 scores of its section on single tasks, as collected in the project's notes with their inconsistencies.

#include <optional>
#include <string_view>

namespace aelle::report {

inline constexpr double all_test = -1.0;  ///< percent: spectra of all epochs together

/// Value of metric "f1", "precision", "recall" (from 0 to 1) in a row of table "table1" .. "table4" at this share of training, in per cent.
std::optional<double> paper_value(std::string_view table, std::string_view row, double percent, std::string_view metric);

/// F1 of a row of the comparison on one task: "signal", "charrnn" or "smnist".
std::optional<double> paper_task_value(std::string_view task, std::string_view row);

}  // namespace aelle::report
