#include "paper_values.hpp"

#include <array>
#include <cmath>

namespace aelle::report {
namespace {

struct Entry {
    std::string_view table, row;
    double percent;
    double recall, precision, f1;  // negative: not reported
};

constexpr double none = -1.0;

constexpr std::array entries{
    // Table 1. The F1 of the loss at 10 and 20 % does not follow from its recall and precision, which give 0.29 and 0.62; 10 % precision of AeLLE is
    // 83.6 % in the text.
    Entry{"table1", "AeLLE", 0, .938, .770, .85},
    Entry{"table1", "AeLLE", 10, .915, .866, .89},
    Entry{"table1", "AeLLE", 20, .918, .865, .90},
    Entry{"table1", "AeLLE", 50, .886, .837, .86},
    Entry{"table1", "loss then, final threshold", 10, .169, .951, .35},
    Entry{"table1", "loss then, final threshold", 20, .458, .977, .66},
    Entry{"table1", "loss then, final threshold", 50, .777, .973, .86},
    // Table 2. At 0 % the F1 of LE max and LE PCA are swapped there: from recall and precision 0.76 and 0.72.
    Entry{"table2", "LE mean", 0, .991, .556, .71},
    Entry{"table2", "LE mean", 10, .977, .583, .73},
    Entry{"table2", "LE mean", 20, .976, .585, .73},
    Entry{"table2", "LE mean", 50, .964, .589, .73},
    Entry{"table2", "LE max", 0, .653, .903, .72},
    Entry{"table2", "LE max", 10, .607, .926, .74},
    Entry{"table2", "LE max", 20, .595, .943, .73},
    Entry{"table2", "LE max", 50, .588, .943, .72},
    Entry{"table2", "LE PCA", 0, 1.0, .559, .76},
    Entry{"table2", "LE PCA", 10, .968, .600, .74},
    Entry{"table2", "LE PCA", 20, .966, .603, .74},
    Entry{"table2", "LE PCA", 50, .949, .604, .74},
    Entry{"table2", "AeLLE", 0, .938, .770, .85},
    Entry{"table2", "AeLLE", 10, .915, .866, .89},
    Entry{"table2", "AeLLE", 20, .918, .865, .90},
    Entry{"table2", "AeLLE", 50, .886, .837, .86},
    // Table 4, median orthants
    Entry{"table4", "d = 1", 0, none, none, .81},
    Entry{"table4", "d = 2", 0, none, none, .81},
    Entry{"table4", "d = 4", 0, none, none, .84},
    Entry{"table4", "d = 10", 0, none, none, .89},
    Entry{"table4", "d = 1", 50, none, none, .84},
    Entry{"table4", "d = 2", 50, none, none, .84},
    Entry{"table4", "d = 4", 50, none, none, .87},
    Entry{"table4", "d = 10", 50, none, none, .91},
};

/// Table 3: F1 at 0, 10, 20, 30, 40, 50 % and on all test spectra.
struct Series {
    std::string_view row;
    std::array<double, 7> f1;
};
constexpr std::array<double, 7> series_percent{0, 10, 20, 30, 40, 50, all_test};
constexpr std::array series{
    Series{"raw LE, linear regression", {.62, .61, .61, .62, .64, .61, .62}},
    Series{"LE PCA, PC1", {.72, .74, .74, .75, .75, .74, .74}},
    Series{"LE PCA, linear regression", {.73, .77, .78, .78, .77, .75, .76}},
    Series{"AeLLE, PC1", {.85, .89, .89, .90, .89, .86, .88}},
    Series{"AeLLE, linear regression", {.86, .89, .89, .90, .89, .87, .88}},
};

/// F1 on single tasks, spectra of trained networks.
struct Task {
    std::string_view task, row;
    double f1;
};
constexpr std::array tasks{
    Task{"signal", "LE mean", .705},  Task{"signal", "LE max", .504},  Task{"signal", "LE PCA", .703},  Task{"signal", "AeLLE", .724},
    Task{"charrnn", "LE mean", .834}, Task{"charrnn", "LE max", .859}, Task{"charrnn", "LE PCA", .860}, Task{"charrnn", "AeLLE", .877},
    Task{"smnist", "LE mean", .609},  Task{"smnist", "LE max", .566},  Task{"smnist", "LE PCA", .608},  Task{"smnist", "AeLLE", .859},
};

bool same_share(double a, double b) { return std::fabs(a - b) < 0.5; }

}  // namespace

std::optional<double> paper_value(std::string_view table, std::string_view row, double percent, std::string_view metric) {
    if (table == "table3" && metric == "f1") {
        for (const Series& one : series) {
            for (std::size_t i = 0; i < series_percent.size(); ++i) {
                if (one.row == row && same_share(series_percent[i], percent)) return one.f1[i];
            }
        }
    }
    for (const Entry& entry : entries) {
        if (entry.table != table || entry.row != row || !same_share(entry.percent, percent)) continue;
        const double value = metric == "f1" ? entry.f1 : metric == "precision" ? entry.precision : metric == "recall" ? entry.recall : none;
        if (value >= 0.0) return value;
    }
    return std::nullopt;
}

std::optional<double> paper_task_value(std::string_view task, std::string_view row) {
    for (const Task& one : tasks) {
        if (one.task == task && one.row == row) return one.f1;
    }
    return std::nullopt;
}

}  // namespace aelle::report
