#pragma once
/// What the program says: results on standard output, progress and notes on standard error, by rank 0 alone.

#include <chrono>
#include <string>

#include "aelle/study/scheduler.hpp"

namespace aelle::app {

class Console {
public:
    Console(bool speaks, bool quiet, bool verbose) : speaks_(speaks), quiet_(quiet), verbose_(verbose) {}

    void result(const std::string& text) const;   ///< standard output
    void note(const std::string& text);           ///< standard error, not when quiet
    void detail(const std::string& text);         ///< only when verbose
    void warning(const std::string& text);        ///< also when quiet, at any rank

    /// A bar with rate and time left on a terminal; elsewhere a plain line every ten seconds or five per cent, and not within a second of the last.
    void progress(const study::Progress& progress);
    /// The same for anything counted.
    void progress(const std::string& what, int64_t done, int64_t all, int64_t done_now, double seconds);
    void end_progress();

private:
    bool speaks_, quiet_, verbose_;
    bool bar_shown_ = false;
    double last_share_ = -1.0;
    std::chrono::steady_clock::time_point last_line_{};
};

}  // namespace aelle::app
