#include "gpu.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/text.hpp"
#include "src/backend/factories.hpp"

namespace aelle::perf {
namespace {

std::string tera(double rate) { return rounded(1e-12 * rate, 3); }

/// cuBLAS against sums on the host, of a few entries.
template <class T>
double product_error(const std::vector<T>& a, const std::vector<T>& b, const std::vector<T>& c, int64_t n) {
    double worst = 0, scale = 0;
    for (int64_t e = 0; e < 16; ++e) {
        const int64_t i = e * 7919 % n, j = e * 104729 % n;
        double sum = 0;
        for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(a[i + k * n]) * static_cast<double>(b[k + j * n]);
        worst = nan_max(worst, std::fabs(static_cast<double>(c[i + j * n]) - sum));
        scale = std::max(scale, std::fabs(sum));
    }
    return worst / scale;
}

template <class T>
void large_product(GpuBench& bench, double peak) {
    const bool single = sizeof(T) == 4;
    const auto n = static_cast<int32_t>(bench.tiny() ? 32 : 4096);
    const auto size = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
    std::vector<T> a(size), b(size), c(size);
    for (std::size_t i = 0; i < size; ++i) {
        a[i] = static_cast<T>(static_cast<double>(i * 2654435761u % 1000003u) / 1000003.0 - 0.5);
        b[i] = static_cast<T>(static_cast<double>(i * 40503u % 999983u) / 999983.0 - 0.5);
    }
    const cuda::DeviceMemory on_a = cuda::on_device(bench.library(), a.data(), size, "a matrix");
    const cuda::DeviceMemory on_b = cuda::on_device(bench.library(), b.data(), size, "a matrix");
    const cuda::DeviceMemory on_c(bench.library(), size * sizeof(T), "a matrix");
    const auto run = [&](int64_t units) {
        const cuda::LibraryProduct p{single, n, static_cast<int32_t>(units), on_a.as<T>(), on_b.as<T>(), on_c.as<T>()};
        bench.check_nvidia(bench.nvidia()->product(bench.device(), &p), "a large product");
    };
    run(1);
    on_c.download(c.data(), size * sizeof(T));
    GpuCase made;
    made.what.name = std::string("gpu/ceiling/") + (single ? "sgemm" : "dgemm");
    made.what.parameters = {{"n", std::to_string(n)}};
    made.what.unit = "one product by cuBLAS";
    made.what.amount = 2.0 * std::pow(n, 3);
    made.peak = peak;
    made.check.error = product_error(a, b, c, n);
    made.most["error"] = single ? 1e-4 : 1e-12;
    made.seconds = bench.time(run, 1.0);
    bench.remember(std::string(single ? "sgemm " : "dgemm ") + tera(made.what.amount / spread(made.seconds).median) + " TFLOP/s");
    bench.row(std::move(made));
}

void copies(GpuBench& bench) {
    const std::size_t bytes = bench.tiny() ? 4096 : std::size_t{1} << 29;
    std::vector<uint64_t> numbers(bytes / sizeof(uint64_t)), back(numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i * 0x9E3779B97F4A7C15u;
    const auto from = cuda::on_device(bench.library(), numbers.data(), numbers.size(), "what is copied");
    const cuda::DeviceMemory to(bench.library(), bytes, "a copy");
    const auto run = [&](int64_t units) {
        for (int64_t i = 0; i < units; ++i)
            bench.check_bench(bench.bench()->copy(bench.device(), to.as<void>(), from.as<void>(), bytes), "a copy inside the device");
        bench.wait();
    };
    run(1);
    to.download(back.data(), bytes);
    GpuCase made;
    made.what.name = "gpu/ceiling/copy";
    made.what.parameters = {{"bytes", std::to_string(bytes)}};
    made.what.unit = "one copy inside the device, read and written";
    made.what.amount = 2.0 * static_cast<double>(bytes);
    made.what.roof = Roof::memory;
    made.check.error = back == numbers ? 0.0 : 1.0;
    made.most["error"] = 0.0;
    made.seconds = bench.time(run, 0.5);
    bench.remember("copy " + tera(made.what.amount / spread(made.seconds).median) + " TB/s");
    bench.row(std::move(made));
}

}  // namespace

GpuBench::GpuBench(const GpuOptions& options, Output& output, const backend::GroupEngine& engine, const cuda::Opened& opened)
    : options_(options),
      output_(output),
      engine_(engine),
      library_(opened.table, 0),
      bench_(cuda::open_bench(opened)),
      nvidia_(cuda::open_library_path(opened)),
      byte_(library_, 1, "a byte") {
    library_.check(library_.table().facts(0, &facts_), "facts of the device");
    if (bench_.ok) check_bench(bench_.table.facts(0, &peaks_), "facts of the device");
    else say("no kernels for benchmarks alone: " + bench_.note);
    if (!nvidia_.ok) say("no cuBLAS and cuSOLVER to compare with: " + nvidia_.note);
    if (peaks_.single > 0)
        say("at " + rounded(1e-6 * peaks_.clock, 4) + " MHz: fp32 " + tera(peaks_.single) + " TFLOP/s, fp64 " + tera(peaks_.twofold) +
            " TFLOP/s, without tensor units; shares are of these");
    else say("the chip's rates are not known: no shares");
    byte_.clear();
}

bool GpuBench::time_until(double seconds, const std::string& name) {
    if (left() >= seconds || tiny()) return true;
    ++late_;
    say(name + ": left out for what comes after it");
    return false;
}

bool GpuBench::wanted(const std::string& name) {
    const auto matches = [&](const std::regex& pattern) { return std::regex_search(name, pattern); };
    if (!options_.select.empty() && std::none_of(options_.select.begin(), options_.select.end(), matches)) return false;
    if (left() > 1.0) return true;
    ++late_;
    say(name + ": left out, the time is up");
    return false;
}

void GpuBench::row(GpuCase made) {
    Result result;
    bool wrong = false;
    made.what.parameters["device"] = engine_.device_kind();
    if (made.peak > 0) made.what.parameters["peak"] = tera(made.peak) + " TFLOP/s";
    result.what = &made.what;
    result.check = made.check;
    result.amount = made.what.amount;
    result.rounds = static_cast<int>(made.seconds.size());
    result.units = 1;
    result.seconds = spread(made.seconds);
    result.notes = made.notes;
    if (made.peak > 0) {
        std::vector<double> shares;
        for (const double seconds : made.seconds) shares.push_back(made.what.amount / seconds / made.peak);
        result.share = spread(shares);
        result.roof = {made.peak, made.peak, made.peak};
    }
    for (const auto& [what, most] : made.most) {
        const auto column = made.check.columns.find(what);
        const double found = what == "error" ? made.check.error : column != made.check.columns.end() ? column->second : unknown;
        if (found <= most) continue;
        result.notes.push_back("WRONG: " + what + " " + rounded(found, 2) + ", expected at most " + rounded(most, 2));
        wrong = true;
    }
    failed_ += wrong ? 1 : 0;
    if (made.opponent) {
        result.opponent = made.opponent;
        result.ratio.median = made.opponent->seconds.median / result.seconds.median;
        result.ratio.least = made.opponent->seconds.least / result.seconds.most;
        result.ratio.most = made.opponent->seconds.most / result.seconds.least;
    }
    ++rows_;
    output_.row(result);
}

void GpuBench::attempt(const std::string& name, const std::function<void()>& f) {
    try {
        f();
    } catch (const std::exception& error) {
        ++failed_;
        Case what;
        what.name = name;
        output_.failed(what, error.what());
    }
}

void GpuBench::wait() const {
    char byte = 0;
    byte_.download(&byte, 1);  // a copy waits for what was queued before
}

void GpuBench::check_bench(int status, const std::string& attempt) const {
    if (status != 0) throw backend::DeviceError(attempt + ": " + bench_.table.message(status) + " (status " + std::to_string(status) + ")");
}
void GpuBench::check_nvidia(int status, const std::string& attempt) const {
    if (status != 0)
        throw backend::DeviceError(attempt + ": " + nvidia_.table.message(status) + " (status " + std::to_string(status) + ")");
}

std::vector<double> GpuBench::time(const std::function<void(int64_t units)>& run, double budget, int64_t most_units, int64_t apart) const {
    constexpr int rounds = 3;
    budget = std::min(budget, std::max(0.0, left() - 0.5));
    const auto seconds_of = [&](int64_t units) {
        const Stopwatch watch;
        run(units);
        return watch.seconds();
    };
    double alone = 0.0;  // what is apart, last
    const auto once = [&](int64_t units) {
        if (apart > 0) alone = seconds_of(apart);
        return (seconds_of(units + apart) - alone) / static_cast<double>(units);
    };
    const Stopwatch whole;
    const double first = once(1), all = whole.seconds();
    std::vector<double> seconds{first};
    if (all <= budget && !tiny()) {
        // Where a single unit is lost in what is apart, all units are as good as free.
        const double each = std::max(first, 1e-3 * all), left_over = budget / rounds - 2 * alone;
        const auto units = std::clamp<int64_t>(static_cast<int64_t>(left_over / each), 1, most_units);
        seconds.clear();
        for (int i = 0; i < rounds && (i == 0 || whole.seconds() < budget); ++i) seconds.push_back(once(units));
    }
    std::erase_if(seconds, [](double x) { return x <= 0; });  // shorter with the units than without: nothing was measured
    if (seconds.empty()) seconds.push_back(unknown);
    return seconds;
}

bool GpuBench::finish() {
    std::string line = "GPU " + std::string(facts_.name) + ", " + std::to_string(rows_) + " rows, " + std::to_string(failed_) +
                       " failed, " + std::to_string(late_) + " left out, " + rounded(watch_.seconds(), 3) + " s";
    for (std::size_t i = 0; i < summary_.size(); ++i) line += (i == 0 ? ": " : ", ") + summary_[i];
    say("");
    say(line);
    return failed_ == 0;
}

void add_gpu_ceilings(GpuBench& bench) {
    const std::string name = "gpu/ceiling/";
    if (bench.bench() != nullptr && bench.wanted(name + "copy")) bench.attempt(name + "copy", [&] { copies(bench); });
    if (bench.nvidia() == nullptr) return;
    if (bench.wanted(name + "sgemm")) bench.attempt(name + "sgemm", [&] { large_product<float>(bench, bench.peaks().single); });
    if (bench.wanted(name + "dgemm")) bench.attempt(name + "dgemm", [&] { large_product<double>(bench, bench.peaks().twofold); });
}

int run_gpu(const GpuOptions& options, Output& output) {
    const auto found = backend::make_cuda({.share = true});
    if (!found.engine) {
        const bool said = found.note.starts_with("no device");
        output.say((said ? "" : "no device: ") + found.note);
        return 0;
    }
    output.say(found.note);
    GpuBench bench(options, output, *found.engine, cuda::open_library());
    if (bench.bench() != nullptr)
        output.say("clusters of blocks: up to " + std::to_string(bench.bench()->largest_team(bench.device(), 512)) +
                   " for the QR of 512 x 512");
    output.header();
    // The rest of the time goes to training, whose sizes are many.
    add_gpu_ceilings(bench);
    add_gpu_qr(bench, 0.7 * options.seconds);
    add_gpu_chains(bench, 0.6 * options.seconds);
    add_gpu_force(bench, 0.55 * options.seconds);
    add_gpu_training(bench);
    if (!options.select.empty()) {
        add_gpu_chain_teams(bench);
        add_gpu_training_teams(bench);
    }
    const bool good = bench.finish();
    if (bench.nvidia() != nullptr) bench.check_nvidia(bench.nvidia()->close(bench.device()), "giving back handles");
    return good ? 0 : 1;
}

}  // namespace aelle::perf
