// Study files: parsed, compared with themselves, and read as far as all tasks share them.
#include <string>

#include "aelle/study/config.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    using namespace aelle;
    fuzz::reads([&] {
        const study::TomlDocument document = study::TomlDocument::parse(fuzz::text(data, size), "input");
        fuzz::expect(!document.first_difference(document, "analysis"), "a document differs from itself");
        (void)document.fingerprint("analysis");
        study::TomlTable root(document);
        const study::StudyConfig config = study::read_config(root);
        fuzz::expect(config.count >= 1 && config.count <= study::max_variants, "a count of variants out of range");
        fuzz::expect(!config.cells.empty() && !config.hidden.empty(), "no cells or no sizes");
        root.finish();
    }, 4000 + 20 * size);  // a message shows the value found, as a list of any length
    return 0;
}
