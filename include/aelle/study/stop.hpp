#pragma once
/// Requests to stop: SIGTERM, SIGINT, SIGUSR1 and the time limit. Handlers only set a flag; a second signal, a second later
/// or more, ends the process at once.

#include <chrono>
#include <optional>
#include <string>

namespace aelle::study {

/// Installs the handlers; ignores SIGXFSZ, so that a file-size limit is an error of `write`, and SIGPIPE.
void install_stop_handlers();

/// The signal received, or 0.
int stop_signal();

/// Ends after a given time; without one it never does.
class Deadline {
public:
    explicit Deadline(std::optional<double> seconds) {
        // Beyond a hundred years there is no limit, and the clock's nanoseconds would overflow.
        if (seconds && *seconds < 3e9)
            end_ = std::chrono::steady_clock::now() +
                   std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(*seconds));
    }
    bool passed() const { return end_ && std::chrono::steady_clock::now() >= *end_; }

private:
    std::optional<std::chrono::steady_clock::time_point> end_;
};

/// "SIGTERM", "SIGUSR1", ...
std::string signal_name(int signal);

}  // namespace aelle::study
