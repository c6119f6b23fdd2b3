#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "aelle/backend/blas.hpp"
#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "commands.hpp"

namespace {

std::string version_text() {
    const aelle::BuildInfo& build = aelle::build_info();
    return "aelle " + build.version + " (" + build.commit + ", " + build.compiler + ")";
}

}  // namespace

int main(int argc, char** argv) {
    aelle::backend::set_blas_threads(1);  // networks run side by side, never threads inside one small product
    CLI::App program("aelle: train recurrent networks by the thousand, take their Lyapunov spectra, and tell which will be good");
    program.set_version_flag("--version", version_text());
    program.require_subcommand(1);
    program.get_formatter()->column_width(34);
    aelle::app::Action action;
    aelle::app::add_run(program, action);
    aelle::app::add_analyze(program, action);
    aelle::app::add_report(program, action);
    aelle::app::add_status(program, action);
    aelle::app::add_spectrum(program, action);
    aelle::app::add_train(program, action);
    aelle::app::add_predict(program, action);
    aelle::app::add_info(program, action);
    try {
        program.parse(argc, argv);
        return action();
    } catch (const CLI::ParseError& error) {
        return program.exit(error) == 0 ? 0 : static_cast<int>(aelle::ExitStatus::usage);
    } catch (const aelle::Error& error) {  // an option's value
        std::fprintf(stderr, "aelle: %s\n", error.what());
        return static_cast<int>(error.status());
    }
}
