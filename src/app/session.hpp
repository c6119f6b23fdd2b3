#pragma once
/// What every working subcommand starts with: ranks, console, backend, threads, signal handlers.

#include <functional>
#include <memory>
#include <string>

#include "aelle/backend/choose.hpp"
#include "aelle/base/error.hpp"
#include "aelle/study/comm.hpp"
#include "aelle/study/stop.hpp"
#include "console.hpp"
#include "options.hpp"

namespace aelle::app {

/// An error that rank 0 has met and every rank knows of: the others leave with its status and say nothing.
struct SilentExit {
    ExitStatus status;
};

class Session {
public:
    /// `comm` must outlive the session.
    Session(study::Comm& comm, const CommonOptions& options);

    study::Comm& comm() { return comm_; }
    Console& console() { return console_; }
    const backend::Backend& backend() const { return *choice_.backend; }
    const backend::GroupEngine* groups() const { return choice_.groups.get(); }  ///< null without a GPU
    std::string device_kind() const { return choice_.device_kind(); }
    std::string gpu_note() const { return choice_.gpu_note; }
    std::string device_map();  ///< which rank has which GPU, a line each, at rank 0; collective
    int threads() const { return threads_; }
    const study::Deadline& deadline() const { return deadline_; }
    bool first() const { return comm_.rank() == 0; }
    /// True once an error of at_rank_0 is known to all ranks: then all leave by themselves.
    bool failed_together() const { return failed_together_; }

    /// Runs `work` at rank 0; when it throws an Error, rank 0 rethrows it and the others throw SilentExit. Collective.
    void at_rank_0(const std::function<void()>& work);

    /// Runs work(i) for i in [0, count) on this rank's threads, the items shared among ranks in turn; all ranks end with Interrupted when any was
    /// asked to stop. Collective. `work` must be thread-safe; results must not depend on which thread runs what.
    void share(int64_t count, const std::string& what, const std::function<void(int64_t)>& work);

    /// Throws Interrupted when a signal came or the time is over.
    void check_stop() const;

private:
    study::Comm& comm_;
    study::Deadline deadline_;
    Console console_;
    backend::Choice choice_;
    int threads_;
    bool failed_together_ = false;
};

/// Runs a command's body and maps what it throws to an exit status; prints the message once. Under several ranks a rank that fails alone ends
/// the job.
int run_command(const CommonOptions& options, const std::function<void(Session&)>& body);

}  // namespace aelle::app
