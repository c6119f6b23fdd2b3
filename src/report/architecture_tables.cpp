#include "architecture_tables.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "aelle/base/text.hpp"
#include "aelle/embed/scores.hpp"
#include "cells_of_study.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

/// What this study says of a statement.
struct Finding {
    std::string measured;
    bool holds = false;
    double value = 0.0;
};

struct Statement {
    std::string cell, text, rule;
    std::function<std::optional<Finding>(const CellOfStudy&)> test;
};

int64_t good_ones(const Results& results, const CellOfStudy& cell) {
    return std::count_if(cell.variants.begin(), cell.variants.end(), [&](int64_t v) { return results.is_good(v); });
}

std::string good_text(const Results& results, const CellOfStudy& cell) {
    return std::to_string(good_ones(results, cell)) + " of " + std::to_string(cell.variants.size()) + " of high accuracy";
}

/// Mean over the networks of the share of exponents near zero; nothing where no spectrum is known.
std::optional<double> share_near_zero(const Results& results, const CellOfStudy& cell) {
    double sum = 0.0;
    int64_t count = 0;
    for (const int64_t v : cell.variants) {
        const NearZero near = count_near_zero(results, v, results.epochs() - 1);
        if (near.all == 0) continue;
        sum += near.share();
        ++count;
    }
    if (count == 0) return std::nullopt;
    return sum / static_cast<double>(count);
}

std::optional<Finding> near_zero_finding(const Results& results, const CellOfStudy& cell, double low, double high) {
    const auto share = share_near_zero(results, cell);
    if (!share) return std::nullopt;
    return Finding{fixed(100.0 * *share, 0) + " % of the exponents", *share > low && *share <= high, *share};
}

std::optional<Finding> loss_ratio(const std::vector<CellOfStudy>& cells, const CellOfStudy& cell) {
    std::vector<double> others;
    for (const CellOfStudy& other : cells) {
        if (other.name != cell.name) others.push_back(other.median_loss);
    }
    if (others.empty()) return std::nullopt;
    const double ratio = cell.median_loss / embed::median(others);
    if (!std::isfinite(ratio)) return std::nullopt;
    return Finding{fixed(ratio, 1) + " times the median of the others", ratio >= 5.0 && ratio <= 20.0, ratio};
}

std::vector<Statement> statements(const Results& results, const std::vector<CellOfStudy>& cells) {
    const auto mostly_bad = [&results](const CellOfStudy& cell) -> std::optional<Finding> {
        const int64_t good = good_ones(results, cell);
        return Finding{good_text(results, cell), 2 * good < static_cast<int64_t>(cell.variants.size()), static_cast<double>(good)};
    };
    const auto near = [&results](double low, double high) {
        return [&results, low, high](const CellOfStudy& cell) { return near_zero_finding(results, cell, low, high); };
    };
    std::vector<Statement> list{
        {"rnn", "no rnn is of high accuracy", "none",
         [&results](const CellOfStudy& cell) -> std::optional<Finding> {
             const int64_t good = good_ones(results, cell);
             return Finding{good_text(results, cell), good == 0, static_cast<double>(good)};
         }},
        {"lstm", "lstm lie among the networks of low accuracy", "fewer than half good", mostly_bad},
        {"lem", "lem lie among the networks of low accuracy", "fewer than half good", mostly_bad},
    };
    // Half of every architecture is good then, whatever the paper's labels say of it.
    if (results.label_reference == "architecture") list.clear();
    for (const char* cell : {"asrnn", "cornn", "lipschitz", "noisy"}) {
        list.push_back({cell, std::string(cell) + ": the spectrum lies near zero", "more than half within 0.05", near(0.5, 1.0)});
    }
    list.push_back({"gru", "gru: about half of the exponents lie near zero", "35 to 65 % within 0.05", near(0.35, 0.65)});
    list.push_back({"cornn", "cornn: its loss is about ten times the others'", "5 to 20 times",
                    [&cells](const CellOfStudy& cell) { return loss_ratio(cells, cell); }});
    return list;
}

}  // namespace

ShownTable median_variants_table(const Results& results) {
    const int64_t last = results.epochs() - 1;
    ShownTable table{
        "median_variants",
        "The network of median loss of every architecture, epoch " + std::to_string(results.epoch[static_cast<std::size_t>(last)]),
        {{"architecture", "network", results.init_name, "loss", "accuracy", "exponents near zero", "good networks"}},
        {},
        "cell,variant,init,loss,label,exponents_near_zero,exponents,good,networks\n"};
    const std::vector<CellOfStudy> cells = cells_of(results);
    if (cells.size() < 2) return {table.name, "", {}, {}, ""};
    for (const CellOfStudy& cell : cells) {
        const int64_t v = cell.median();
        const auto i = static_cast<std::size_t>(v);
        const NearZero near = count_near_zero(results, v, last);
        const std::string good = std::to_string(good_ones(results, cell)), networks = std::to_string(cell.variants.size());
        table.rows.push_back({cell.name, std::to_string(results.variant[i]), rounded(results.init[i], 3), rounded(results.loss[i], 3),
                              results.is_good(v) ? "high" : "low", std::to_string(near.inside) + " of " + std::to_string(near.all),
                              good + " of " + networks});
        table.csv +=
            csv_line({csv_text(cell.name), std::to_string(results.variant[i]), csv_real(results.init[i]), csv_real(results.loss[i]),
                      std::to_string(results.label[i]), std::to_string(near.inside), std::to_string(near.all), good, networks});
    }
    table.notes.push_back("Near zero: within " + fixed(near_zero) + " nats per step.");
    return table;
}

ShownTable statements_table(const Results& results) {
    ShownTable table{"statements",
                     "What the paper says of clusters (sequential MNIST), and what this study shows",
                     {{"statement", "here", "counts as true", "verdict"}},
                     {},
                     "statement,cell,value,verdict\n"};
    const std::vector<CellOfStudy> cells = cells_of(results);
    if (results.task != "smnist" || cells.size() < 2) return {table.name, "", {}, {}, ""};
    for (const Statement& statement : statements(results, cells)) {
        const auto cell = std::find_if(cells.begin(), cells.end(), [&](const CellOfStudy& one) { return one.name == statement.cell; });
        if (cell == cells.end()) continue;
        const auto finding = statement.test(*cell);
        if (!finding) continue;
        table.rows.push_back({statement.text, finding->measured, statement.rule, finding->holds ? "true" : "false"});
        table.csv += csv_line({csv_text(statement.text), statement.cell, csv_real(finding->value), finding->holds ? "true" : "false"});
    }
    table.notes.push_back(
        "Networks after the last epoch; shares of exponents are means over an architecture's networks, all sizes of the initial weights "
        "together. "
        "The paper's range of initial weights and its Jacobians differ from this study's.");
    return table;
}

}  // namespace aelle::report
