#include "aelle/study/stop.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <unistd.h>

#include "aelle/base/error.hpp"

namespace aelle::study {
namespace {

volatile std::sig_atomic_t received = 0;
std::atomic<int64_t> received_at{0};  // nanoseconds; 0: never
static_assert(std::atomic<int64_t>::is_always_lock_free);  // as handlers, which may run in several threads at once, require

// Launchers and `timeout` may send one request twice, to the process and to its group: within a second it counts once.
extern "C" void on_stop(int signal) {
    constexpr int64_t second = 1'000'000'000;
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);  // allowed in signal handlers
    const int64_t now = time.tv_sec * second + time.tv_nsec;
    int64_t first = 0;
    if (received_at.compare_exchange_strong(first, now)) received = signal;
    else if (now - first > second) _exit(static_cast<int>(ExitStatus::interrupted));
}

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
}

}  // namespace

void install_stop_handlers() {
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) handle(signal, on_stop);
    for (const int signal : {SIGXFSZ, SIGPIPE}) handle(signal, SIG_IGN);
}

int stop_signal() { return received; }

std::string signal_name(int signal) {
    switch (signal) {
        case SIGTERM: return "SIGTERM";
        case SIGINT: return "SIGINT";
        case SIGUSR1: return "SIGUSR1";
        default: return "signal " + std::to_string(signal);
    }
}

}  // namespace aelle::study
