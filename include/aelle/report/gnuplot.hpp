#pragma once
/// gnuplot as a program found at run time; the library does not link it.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace aelle::report {

/// The gnuplot on PATH, if there is one.
std::optional<std::filesystem::path> find_gnuplot();

/// Text as a gnuplot literal in single quotes, where gnuplot expands nothing; control characters become blanks, and a quote the typographic one.
std::string gnuplot_quoted(std::string_view text);

/// Runs a script in `folder` and returns what it draws on standard output. Start-up files of the user are not read. IoError with gnuplot's own
/// message when it fails.
std::string run_gnuplot(const std::filesystem::path& gnuplot, const std::filesystem::path& folder, const std::string& script_name);

}  // namespace aelle::report
