#pragma once
/// The subcommands. Each adds itself to the program; `run` is called when it was chosen and returns the exit status.

#include <CLI/CLI.hpp>
#include <functional>

namespace aelle::app {

using Action = std::function<int()>;

void add_run(CLI::App& program, Action& action);
void add_analyze(CLI::App& program, Action& action);
void add_report(CLI::App& program, Action& action);
void add_status(CLI::App& program, Action& action);
void add_spectrum(CLI::App& program, Action& action);
void add_train(CLI::App& program, Action& action);
void add_predict(CLI::App& program, Action& action);
void add_info(CLI::App& program, Action& action);

}  // namespace aelle::app
