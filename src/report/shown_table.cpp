#include "aelle/report/shown_table.hpp"

#include "text_columns.hpp"

namespace aelle::report {

std::string text_of(const std::vector<TableSection>& sections) {
    std::string text;
    for (const TableSection& section : sections) {
        for (const ShownTable& table : section.tables) {
            if (table.empty()) continue;
            text += "\n" + table.title + "\n" + aligned(table.rows);
            for (const std::string& note : table.notes) text += note + "\n";
        }
    }
    return text;
}

}  // namespace aelle::report
