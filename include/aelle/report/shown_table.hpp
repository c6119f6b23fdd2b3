#pragma once
/// A table that is shown on the terminal and on the page, and written as CSV.

#include <string>
#include <vector>

namespace aelle::report {

/// The first row is the header, the first column names the rows. With no row but the header there is nothing to show.
struct ShownTable {
    std::string name;  ///< stem of its CSV file
    std::string title;
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> notes;
    std::string csv;  ///< all metrics and intervals in full

    bool empty() const { return rows.size() < 2; }
};

/// Tables under one heading.
struct TableSection {
    std::string title;
    std::vector<ShownTable> tables;
};

/// Aligned columns for a terminal, each with its title and notes.
std::string text_of(const std::vector<TableSection>& sections);

}  // namespace aelle::report
