#include "aelle/study/stop.hpp"

#include <csignal>
#include <unistd.h>

#include "aelle/base/error.hpp"

namespace aelle::study {
namespace {

volatile std::sig_atomic_t received = 0;

extern "C" void on_stop(int signal) {
    if (received != 0) _exit(static_cast<int>(ExitStatus::interrupted));
    received = signal;
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
