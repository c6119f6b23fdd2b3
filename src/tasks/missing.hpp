#pragma once
/// Finding the files of a data set, and saying how to get them when they are not there.

#include <filesystem>
#include <string>
#include <vector>

namespace aelle::tasks {

/// For each list of names that will do, the first that exists. MissingInput names all that were looked for, the folder that was given, and how
/// to get the data set.
std::vector<std::filesystem::path> first_of_each(const std::string& data_set, const std::filesystem::path& data,
                                                 const std::vector<std::vector<std::filesystem::path>>& wanted);

}  // namespace aelle::tasks
