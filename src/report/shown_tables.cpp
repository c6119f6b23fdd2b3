#include "aelle/report/shown_tables.hpp"

#include "aelle/report/paper_tables.hpp"
#include "architecture_tables.hpp"
#include "interpretation_tables.hpp"
#include "text_columns.hpp"

namespace aelle::report {

std::vector<TableSection> shown_tables(const Results& results, const Scores& scores) {
    return {{"The paper's tables", paper_tables(results, scores)},
            {"Architectures", {median_variants_table(results), statements_table(results)}},
            {"Interpretation", {spearman_table(results), latent_table(results), direction_table(results)}}};
}

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
