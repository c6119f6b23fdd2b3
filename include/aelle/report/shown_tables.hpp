#pragma once
/// Tables that are shown on the terminal and on the page, and written as CSV.

#include <string>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/tables.hpp"

namespace aelle::report {

/// The first row is the header, the first column names the rows. With no row but the header there is nothing to show.
struct ShownTable {
    std::string name;     ///< stem of its CSV file
    std::string title;
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> notes;
    std::string csv;      ///< all metrics and intervals in full

    bool empty() const { return rows.size() < 2; }
};

/// Tables under one heading.
struct TableSection {
    std::string title;
    std::vector<ShownTable> tables;
};

/// All sections, the tables that have nothing to show among them: those of the paper (paper_tables.hpp), architectures, interpretation.
std::vector<TableSection> shown_tables(const Results& results, const Scores& scores);

/// Aligned columns for a terminal, each with its title and notes.
std::string text_of(const std::vector<TableSection>& sections);

}  // namespace aelle::report
