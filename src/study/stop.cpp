#include "aelle/study/stop.hpp"

#include <csignal>
#include <ctime>
#include <unistd.h>

#include "aelle/base/error.hpp"

namespace aelle::study {
namespace {

volatile std::sig_atomic_t received = 0;
timespec received_at{};

// Launchers and `timeout` may send one request twice, to the process and to its group: within a second it counts once.
extern "C" void on_stop(int signal) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);  // allowed in signal handlers
    if (received == 0) {
        received = signal;
        received_at = now;
        return;
    }
    const double seconds = static_cast<double>(now.tv_sec - received_at.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec - received_at.tv_nsec);
    if (seconds > 1.0) _exit(static_cast<int>(ExitStatus::interrupted));
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
