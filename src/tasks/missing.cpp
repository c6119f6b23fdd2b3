#include "missing.hpp"

#include <algorithm>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::tasks {

namespace fs = std::filesystem;

std::vector<fs::path> first_of_each(const std::string& data_set, const fs::path& data, const std::vector<std::vector<fs::path>>& wanted) {
    const auto there = [](const fs::path& file) {
        std::error_code ignored;
        return fs::exists(file, ignored);
    };
    std::vector<fs::path> found;
    std::vector<std::string> missing;
    for (const std::vector<fs::path>& names : wanted) {
        const auto file = std::ranges::find_if(names, there);
        if (file != names.end()) {
            found.push_back(*file);
        } else {
            std::vector<std::string> words;
            for (const fs::path& name : names) words.push_back(name.string());
            missing.push_back(join(words, " or "));
        }
    }
    if (missing.empty()) return found;
    throw MissingInput(data_set + ": not found: " + join(missing, ", ") + "; " +
                       (data.empty() ? std::string("no data folder was given") : "the data folder is " + data.string()) +
                       ". `tools/fetch-data DIR` downloads it where there is internet; then give --data DIR or set AELLE_DATA=DIR");
}

}  // namespace aelle::tasks
