#include "session.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "aelle/backend/blas.hpp"

namespace aelle::app {
namespace {

void print_error(const std::string& message) { std::fprintf(stderr, "aelle: %s\n", message.c_str()); }

}  // namespace

Session::Session(study::Comm& comm, const CommonOptions& options)
    : comm_(comm),
      deadline_(options.time_limit),
      console_(comm_.rank() == 0, options.quiet, options.verbose),
      threads_(choose_threads(options, comm_)) {
    const backend::Place place{comm_.rank_on_node(), comm_.ranks_on_node(), options.share_gpus};
    at_rank_0([&] { choice_ = backend::choose(options.device, place); });
    if (!first()) choice_ = backend::choose(options.device, place);
    const int cores = available_cores();
    if (first() && threads_ * comm_.ranks_sharing_cores() > cores && options.threads > 0) {
        console_.warning(std::to_string(threads_) + " threads for each of " + std::to_string(comm_.ranks_sharing_cores()) + " ranks on " +
                         std::to_string(cores) + " cores: more threads than cores make small networks slower");
    }
}

void Session::at_rank_0(const std::function<void()>& work) {
    std::exception_ptr failure;
    auto status = ExitStatus::ok;
    if (first()) {
        try {
            work();
        } catch (const Error& error) {
            failure = std::current_exception();
            status = error.status();
        } catch (const std::exception&) {
            failure = std::current_exception();
            status = ExitStatus::internal;
        }
    }
    status = static_cast<ExitStatus>(comm_.broadcast(static_cast<int64_t>(status)));
    failed_together_ = status != ExitStatus::ok;
    if (failure) std::rethrow_exception(failure);
    if (failed_together_) throw SilentExit{status};
}

std::string Session::device_map() {
    std::vector<std::byte> mine;
    for (const char c : choice_.gpu_note) mine.push_back(static_cast<std::byte>(c));
    std::string text;
    const auto all = comm_.gather(mine);
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
        text += (rank == 0 ? "rank " : "\nrank ") + std::to_string(rank) + ": ";
        for (const std::byte b : all[rank]) text += static_cast<char>(b);
    }
    return text;
}

void Session::check_stop() const {
    if (study::stop_signal() != 0) throw Interrupted("stopped by " + study::signal_name(study::stop_signal()));
    if (deadline_.passed()) throw Interrupted("stopped at the time limit");
}

void Session::share(int64_t count, const std::string& what, const std::function<void(int64_t)>& work) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    std::vector<int64_t> mine;
    for (int64_t i = comm_.rank(); i < count; i += comm_.size()) mine.push_back(i);
    std::atomic<std::size_t> next{0}, done{0}, running{0};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    std::exception_ptr failure;
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads_; ++t) {
        workers.emplace_back([&] {
            backend::set_blas_threads(1);
            ++running;  // as long as the thread may take an item
            for (std::size_t i = next++; i < mine.size() && !failed; i = next++) {
                try {
                    work(mine[i]);
                    ++done;
                } catch (...) {
                    const std::lock_guard lock(mutex);
                    if (!failure) failure = std::current_exception();
                    failed = true;
                }
            }
            --running;
        });
    }
    std::optional<Clock::time_point> stop_seen;
    while (done < mine.size() && !failed) {
        if (!stop_seen && (study::stop_signal() != 0 || deadline_.passed())) {
            stop_seen = Clock::now();
            next = mine.size();  // nothing new is started
        }
        // Items hold nothing worth saving, so one that takes too long is abandoned.
        if (stop_seen && Clock::now() - *stop_seen > std::chrono::seconds(3)) {
            console_.end_progress();
            print_error("interrupted; the same command continues");
            comm_.abort(static_cast<int>(ExitStatus::interrupted));
        }
        if (stop_seen && running == 0) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const auto finished = static_cast<int64_t>(done.load());
        console_.progress(what, finished, static_cast<int64_t>(mine.size()), finished,
                          std::chrono::duration<double>(Clock::now() - start).count());
    }
    workers.clear();
    console_.end_progress();
    if (failure) std::rethrow_exception(failure);
    const std::byte stopped{static_cast<unsigned char>(stop_seen ? 1 : 0)};
    bool any_stopped = false;
    for (const auto& flag : comm_.gather({stopped})) any_stopped = any_stopped || flag.at(0) != std::byte{0};
    if (comm_.broadcast(any_stopped ? 1 : 0) == 1) {
        at_rank_0([] { throw Interrupted("interrupted; the same command continues"); });
    }
}

int run_command(const CommonOptions& options, const std::function<void(Session&)>& body) {
    study::install_stop_handlers();  // before MPI starts, which may take a while
    const std::unique_ptr<study::Comm> comm = study::start_comm();
    std::unique_ptr<Session> session;
    const auto fail = [&](const std::string& message, ExitStatus status) {
        if (session) session->console().end_progress();
        print_error(message);
        // Unless all ranks know, the others may wait for this one for ever. In the constructor rank 0 fails first, and all know.
        const bool known = session ? session->failed_together() : comm->rank() == 0;
        if (!known && comm->size() > 1) comm->abort(static_cast<int>(status));
        return static_cast<int>(status);
    };
    try {
        session = std::make_unique<Session>(*comm, options);
        body(*session);
        return static_cast<int>(ExitStatus::ok);
    } catch (const SilentExit& exit) {
        return static_cast<int>(exit.status);
    } catch (const Error& error) {
        return fail(error.what(), error.status());
    } catch (const std::filesystem::filesystem_error& error) {
        return fail(error.path1().string() + ": " + error.code().message(), ExitStatus::io);
    } catch (const backend::OutOfDeviceMemory& error) {
        return fail(std::string(error.what()) + "; --device cpu does without", ExitStatus::internal);
    } catch (const std::bad_alloc&) {
        return fail("out of memory: use fewer --threads or a smaller study", ExitStatus::internal);
    } catch (const std::exception& error) {
        return fail(std::string("internal error: ") + error.what(), ExitStatus::internal);
    }
}

}  // namespace aelle::app
