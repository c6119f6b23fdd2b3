#include "aelle/report/shown_tables.hpp"

#include "aelle/report/paper_tables.hpp"
#include "architecture_tables.hpp"
#include "interpretation_tables.hpp"

namespace aelle::report {

std::vector<TableSection> shown_tables(const Results& results, const Scores& scores) {
    return {{"The paper's tables", paper_tables(results, scores)},
            {"Architectures", {median_variants_table(results), statements_table(results)}},
            {"Interpretation", {spearman_table(results), latent_table(results), direction_table(results)}}};
}

}  // namespace aelle::report
