// aelle info: what this installation is and what it found.

#include "aelle/backend/blas.hpp"
#include "aelle/base/build_info.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/io/h5.hpp"
#include "commands.hpp"
#include "session.hpp"

namespace aelle::app {
namespace {

void info(Session& session) {
    const BuildInfo& build = build_info();
    std::vector<std::string> cell_names;
    for (const cells::CellSpec& cell : cells::all_cells()) cell_names.emplace_back(cell.name);
    session.console().result("version    " + build.version + ", commit " + build.commit + "\nbuild      " + build.build_type + ", " +
                             build.compiler + "\nflags      " + build.flags + "\ncells      " + join(cell_names, " ") + "\ndevice     " +
                             session.device_kind() + "\nGPU        " + session.gpu_note() + "\nBLAS       " +
                             backend::blas_description() + "\nMPI        " + study::mpi_description() + ", " +
                             std::to_string(session.comm().size()) + " ranks\nHDF5       " + io::hdf5_version() + "\nthreads    " +
                             std::to_string(session.threads()) + " of " + std::to_string(available_cores()) + " cores");
}

}  // namespace

void add_info(CLI::App& program, Action& action) {
    auto options = std::make_shared<CommonOptions>();
    CLI::App* command = program.add_subcommand("info", "Version, build, libraries, devices and threads");
    add_common_options(*command, *options);
    command->callback([options, &action] {
        action = [options] {
            return run_command(*options, [&](Session& session) { session.at_rank_0([&] { info(session); }); });
        };
    });
}

}  // namespace aelle::app
