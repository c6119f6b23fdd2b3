#include "console.hpp"

#include <cstdio>
#include <unistd.h>

#include "aelle/base/text.hpp"

namespace aelle::app {
namespace {

void to_stderr(const std::string& text) { std::fputs(text.c_str(), stderr); }

}  // namespace

void Console::result(const std::string& text) const {
    if (!speaks_) return;
    std::fputs(text.c_str(), stdout);
    if (!text.ends_with('\n')) std::fputc('\n', stdout);
    std::fflush(stdout);
}

void Console::note(const std::string& text) {
    if (!speaks_ || quiet_) return;
    end_progress();
    to_stderr(text + "\n");
}

void Console::detail(const std::string& text) {
    if (verbose_) note(text);
}

void Console::warning(const std::string& text) {
    end_progress();
    to_stderr("aelle: warning: " + text + "\n");
}

void Console::progress(const study::Progress& progress) {
    this->progress("variants", progress.variants_finished, progress.variants, progress.variants_finished_now, progress.seconds);
}

void Console::progress(const std::string& what, int64_t done, int64_t all, int64_t done_now, double seconds) {
    if (!speaks_ || quiet_ || all == 0) return;
    const double share = static_cast<double>(done) / static_cast<double>(all);
    const double rate = seconds > 0 ? static_cast<double>(done_now) / seconds : 0;
    std::string text = std::to_string(done) + " of " + std::to_string(all) + " " + what;
    if (rate > 0 && done < all) {
        text += ", " + rounded(rate, 3) + " per second, " + duration(static_cast<double>(all - done) / rate) + " left";
    } else if (done == all) {
        text += " in " + duration(seconds);
    }
    if (isatty(STDERR_FILENO) != 0) {
        const auto filled = static_cast<std::size_t>(share * 30);
        to_stderr("\r[" + std::string(filled, '#') + std::string(30 - filled, '.') + "] " + text + "\x1b[K");
        bar_shown_ = true;
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    const auto silence = now - last_line_;
    const bool due = silence >= std::chrono::seconds(10) || (share >= last_share_ + 0.05 && silence >= std::chrono::seconds(1)) || done == all;
    if (!due || share == last_share_) return;
    to_stderr(text + "\n");
    last_line_ = now;
    last_share_ = share;
}

void Console::end_progress() {
    if (bar_shown_) to_stderr("\n");
    bar_shown_ = false;
    last_share_ = -1.0;
}

}  // namespace aelle::app
